//! Reproducible tensors, and how two forms of an operation are compared.

use burn::Tensor;
use burn::tensor::{Device, TensorData, Tolerance};

/// Reproducible values in -1 … 1.
pub fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 * 2.0 - 1.0
        })
        .collect()
}

/// A tensor that wants no gradient.
pub fn frozen<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
    let data = TensorData::new(values(shape.iter().product(), seed), shape);
    Tensor::from_data(data, &Device::flex().autodiff())
}

/// A tensor that wants a gradient.
pub fn random<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
    frozen(shape, seed).require_grad()
}

pub fn close<const D: usize>(fast: Tensor<D>, portable: Tensor<D>, tolerance: f32) {
    let tolerance = Tolerance::<f32>::rel_abs(tolerance, tolerance);
    fast.into_data()
        .assert_approx_eq(&portable.into_data(), tolerance);
}

/// The gradient of Σ output · (fixed noise), so that every output element counts differently.
pub fn gradients<const D: usize>(output: Tensor<D>) -> burn::tensor::Gradients {
    let noise = frozen(output.dims(), 99);
    (output * noise).sum().backward()
}

/// Compares two forms of a function of one to three tensors, with all gradients.
macro_rules! compare {
    ($tolerance:expr, [$($input:ident),+], $fast:expr, $portable:expr) => {{
        let (fast, portable) = ($fast, $portable);
        close(fast.clone(), portable.clone(), $tolerance);
        let (fast, portable) = (gradients(fast), gradients(portable));
        $(close($input.grad(&fast).unwrap(), $input.grad(&portable).unwrap(), $tolerance);)+
    }};
}
pub(crate) use compare;
