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

/// A linear layer of a block: y = x·Wᵀ, and with an adapter y = x·Wᵀ + s·(dropout(x)·Aᵀ)·Bᵀ.
#[derive(Debug, Clone)]
pub struct Projection {
    /// W [out, in], as in checkpoints.
    pub weight: Tensor<2>,
    /// The same weight packed, if it is not trained. Used by products in its precision.
    pub frozen: Option<FrozenWeight>,
    /// The adapter, if there is one.
    pub adapter: Option<Adapter>,
}

impl From<Tensor<2>> for Projection {
    /// The plain layer of this weight.
    fn from(weight: Tensor<2>) -> Self {
        Self {
            weight,
            frozen: None,
            adapter: None,
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

/// All adapters in one tensor: for each group of layers that read the same input (queries, keys and
/// values; output; gate and up; down) every A, then every B.
pub(super) fn flat_adapters(layers: &[Projection; 7], x: &Tensor<2>) -> Tensor<1> {
    let groups = [&layers[..3], &layers[3..4], &layers[4..6], &layers[6..]];
    let mut parts = Vec::new();
    for group in groups {
        let adapters = || group.iter().filter_map(|layer| layer.adapter.as_ref());
        parts.extend(adapters().map(|adapter| &adapter.a));
        parts.extend(adapters().map(|adapter| &adapter.b));
    }
    if parts.is_empty() {
        return Tensor::zeros([0], &x.device());
    }
    let flat = |part: &Tensor<2>| {
        let [rows, columns] = part.dims();
        part.clone().reshape([rows * columns])
    };
    Tensor::cat(parts.into_iter().map(flat).collect(), 0)
}
