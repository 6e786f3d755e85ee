//! The gated activation of Llama's MLP (Shazeer 2020).

use burn::Tensor;
use burn::tensor::activation::silu;

/// `silu(gate) · up`, element by element; both [T, F].
pub fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    portable(gate, up)
}

/// [`swiglu`] in Burn's tensor operations.
pub fn portable(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    silu(gate) * up
}
