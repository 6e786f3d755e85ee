//! Number formats.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number format in which a model is held and multiplied, as configs, the command line and
/// reports name it. Sums, activations and everything that is not a product are f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision, the reference: 4 bytes per weight, exact.
    #[default]
    F32,
    /// 2 bytes per weight. The factors of a product are rounded to nearest even and summed
    /// in f32.
    Bf16,
    /// 1 byte per weight, with one scale per output. Inputs are rounded to int8 with one scale a
    /// row, sums are exact. Products of weights that are not in int8 (those of trained weights,
    /// attention) are in bfloat16.
    Int8,
}

/// What [`Precision`] is not called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPrecision(String);

impl Precision {
    /// Every precision, from the widest to the narrowest.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// Its name: `f32`, `bf16` or `int8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// The instructions that multiply in this precision on this CPU, for people to read.
    pub fn instructions(self) -> &'static str {
        crate::cpu::gemm::instructions(self.factors())
    }

    /// Runs `body` with this precision for the products it starts on this thread, as `autocast`
    /// does in PyTorch; outside, products are in f32. A backward pass keeps the precision of its
    /// forward pass, wherever it runs.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use kernels::{Precision, linear};
    /// let x = Tensor::<2>::full([1, 1], 1.0 + 1.0 / 512.0, &Device::flex());
    /// let square = |x: &Tensor<2>| linear(x.clone(), x.clone(), None).into_scalar::<f32>();
    /// assert_eq!(Precision::Bf16.scope(|| square(&x)), 1.0);
    /// assert_ne!(square(&x), 1.0);
    /// ```
    pub fn scope<T>(self, body: impl FnOnce() -> T) -> T {
        self.factors().scope(body)
    }

    /// The format of products that are not of an int8 weight.
    fn factors(self) -> Factors {
        self.of_weight().unwrap_or(Factors::Bf16)
    }

    /// The format of products with a weight that is held in this precision; int8 has its own.
    pub(crate) fn of_weight(self) -> Option<Factors> {
        match self {
            Self::F32 => Some(Factors::F32),
            Self::Bf16 => Some(Factors::Bf16),
            Self::Int8 => None,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| UnknownPrecision(name.into()))
    }
}

impl fmt::Display for UnknownPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no precision; choose f32, bf16 or int8", self.0)
    }
}

impl std::error::Error for UnknownPrecision {}

/// The format of both factors of a floating-point product; sums are f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Factors {
    F32,
    Bf16,
}

thread_local! {
    static CURRENT: Cell<Factors> = const { Cell::new(Factors::F32) };
}

impl Factors {
    /// Those of the [`Precision::scope`] that this thread is in; f32 outside.
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// As [`Precision::scope`].
    pub fn scope<T>(self, body: impl FnOnce() -> T) -> T {
        /// Puts the outer format back even when `body` panics.
        struct Restore(Factors);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(self));
        body()
    }
}
