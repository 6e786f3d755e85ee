//! The number format of matrix products.

use std::cell::Cell;

/// In which format matrix products multiply. Sums, weights, activations and everything that is
/// not a product are f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Single precision: the reference.
    #[default]
    F32,
    /// Factors rounded to bfloat16 (nearest even), products summed in f32.
    Bf16,
}

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::F32) };
}

impl Precision {
    /// The precision products of this thread use now; [`Precision::F32`] unless inside
    /// [`Precision::scope`].
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// What multiplies in this precision on this processor, for people to read.
    pub fn instructions(self) -> &'static str {
        crate::cpu::gemm::instructions(self)
    }

    /// Runs `body` with this precision for the products it starts on this thread, as `autocast`
    /// does in PyTorch. A backward pass keeps the precision of its forward pass, wherever it runs.
    ///
    /// ```
    /// use kernels::Precision;
    /// let inside = Precision::Bf16.scope(Precision::current);
    /// assert_eq!(inside, Precision::Bf16);
    /// assert_eq!(Precision::current(), Precision::F32);
    /// ```
    pub fn scope<T>(self, body: impl FnOnce() -> T) -> T {
        /// Puts the outer precision back even when `body` panics.
        struct Restore(Precision);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(self));
        body()
    }
}
