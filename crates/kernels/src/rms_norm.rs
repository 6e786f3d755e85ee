//! Root-mean-square normalisation (Zhang and Sennrich 2019).

use burn::Tensor;

/// Normalises each row of `x` [T, C] by its root mean square and scales by `weight` [C]:
/// `x / sqrt(mean(x²) + epsilon) · weight`.
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, epsilon: f64) -> Tensor<2> {
    portable(x, weight, epsilon)
}

/// [`rms_norm`] in Burn's tensor operations.
pub fn portable(x: Tensor<2>, weight: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let mean_square = x.clone().square().mean_dim(1);
    let scale = (mean_square + epsilon).sqrt().recip();
    x * scale * weight.unsqueeze()
}
