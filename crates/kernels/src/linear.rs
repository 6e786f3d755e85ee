//! y = x · Wᵀ + b.

use burn::Tensor;

/// Applies a linear layer: `x` [T, in], `weight` [out, in] (the layout of checkpoints), `bias`
/// [out] → [T, out].
///
/// Multiplies in [`Precision::current`](crate::Precision::current). In a backward pass only the
/// gradients that are asked for are computed: none for a frozen weight, none for an input that
/// nothing trainable precedes.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    portable(x, weight, bias)
}

/// [`linear`] in Burn's tensor operations.
pub fn portable(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let product = x.matmul(weight.transpose());
    match bias {
        Some(bias) => product + bias.unsqueeze(),
        None => product,
    }
}
