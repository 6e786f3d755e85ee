//! A linear layer as used by [`crate::linears()`].

use burn::Tensor;
use burn::tensor::Device;

use crate::FrozenWeight;

/// A linear layer: y = x·Wᵀ + b, and with an adapter + s·(dropout(x)·Aᵀ)·Bᵀ.
#[derive(Debug, Clone)]
pub struct Projection {
    /// W [out, in], as in checkpoints.
    pub weight: ProjectionWeight,
    /// b `[out]`.
    pub bias: Option<Tensor<1>>,
    /// The adapter, if there is one.
    pub adapter: Option<Adapter>,
}

/// The weight of a [`Projection`]; all packed weights of a call have the same format.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are three at a time, and none is stored"
)]
pub enum ProjectionWeight {
    /// Trained or not, on any device; multiplied in the current precision.
    Plain(Tensor<2>),
    /// Not trained, on the CPU; multiplied in its own format.
    Frozen(FrozenWeight),
}

impl From<Tensor<2>> for Projection {
    /// A layer with only this weight.
    fn from(weight: Tensor<2>) -> Self {
        Self {
            weight: ProjectionWeight::Plain(weight),
            bias: None,
            adapter: None,
        }
    }
}

impl ProjectionWeight {
    /// The weight as a tensor.
    ///
    /// # Panics
    /// If it is packed.
    pub(super) fn tensor(self) -> Tensor<2> {
        match self {
            Self::Plain(weight) => weight,
            Self::Frozen(_) => panic!("a packed weight multiplies on the CPU only"),
        }
    }
}

/// A low-rank adapter (LoRA, Hu et al. 2021, arXiv 2106.09685).
#[derive(Debug, Clone)]
pub struct Adapter {
    /// A [r, in].
    pub a: Tensor<2>,
    /// B [out, r].
    pub b: Tensor<2>,
    /// s.
    pub scale: f64,
}

/// Everything in the layers except their weights, in one tensor: every A, then every B, then every
/// bias.
pub(super) fn flat_additions(layers: &[Projection], device: &Device) -> Tensor<1> {
    let flat = |part: &Tensor<2>| {
        let [rows, columns] = part.dims();
        part.clone().reshape([rows * columns])
    };
    let adapters = || layers.iter().filter_map(|layer| layer.adapter.as_ref());
    let mut parts: Vec<Tensor<1>> = adapters().map(|adapter| flat(&adapter.a)).collect();
    parts.extend(adapters().map(|adapter| flat(&adapter.b)));
    parts.extend(layers.iter().filter_map(|layer| layer.bias.clone()));
    if parts.is_empty() {
        return Tensor::zeros([0], device);
    }
    Tensor::cat(parts, 0)
}
