//! What a decoder block multiplies by.

use burn::Tensor;

use crate::FrozenWeight;

/// Weights of a block, in the order in which they are used.
#[derive(Debug, Clone)]
pub struct BlockWeights {
    /// Gain of the norm before attention `[C]`.
    pub attention_norm: Tensor<1>,
    /// Queries [H·D, C].
    pub query: Projection,
    /// Keys [KV·D, C].
    pub key: Projection,
    /// Values [KV·D, C].
    pub value: Projection,
    /// Output of attention [C, H·D].
    pub output: Projection,
    /// Gain of the norm before the MLP `[C]`.
    pub mlp_norm: Tensor<1>,
    /// Gate [F, C].
    pub gate: Projection,
    /// Up [F, C].
    pub up: Projection,
    /// Down [C, F].
    pub down: Projection,
}

/// A linear layer of a block: y = x·Wᵀ + b, and with an adapter + s·(dropout(x)·Aᵀ)·Bᵀ.
#[derive(Debug, Clone)]
pub struct Projection {
    /// W [out, in], as in checkpoints.
    pub weight: ProjectionWeight,
    /// b `[out]`.
    pub bias: Option<Tensor<1>>,
    /// The adapter, if there is one.
    pub adapter: Option<Adapter>,
}

/// The weight of a [`Projection`]; all of those of a block that are packed are in one format.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are seven at a time, and none is stored"
)]
pub enum ProjectionWeight {
    /// Trained or not, on any device; multiplied in the current precision.
    Plain(Tensor<2>),
    /// Not trained, on the CPU; multiplied in its own format.
    Frozen(FrozenWeight),
}

impl From<Tensor<2>> for Projection {
    /// The layer of this weight alone.
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

/// All that the layers have besides their weights in one tensor: for each group of layers that read
/// the same input (queries, keys and values; output; gate and up; down) every A, then every B, then
/// every bias.
pub(super) fn flat_additions(layers: &[Projection; 7], x: &Tensor<2>) -> Tensor<1> {
    let groups = [&layers[..3], &layers[3..4], &layers[4..6], &layers[6..]];
    let flat = |part: &Tensor<2>| {
        let [rows, columns] = part.dims();
        part.clone().reshape([rows * columns])
    };
    let mut parts: Vec<Tensor<1>> = Vec::new();
    for group in groups {
        let adapters = || group.iter().filter_map(|layer| layer.adapter.as_ref());
        parts.extend(adapters().map(|adapter| flat(&adapter.a)));
        parts.extend(adapters().map(|adapter| flat(&adapter.b)));
        parts.extend(group.iter().filter_map(|layer| layer.bias.clone()));
    }
    if parts.is_empty() {
        return Tensor::zeros([0], &x.device());
    }
    Tensor::cat(parts, 0)
}
