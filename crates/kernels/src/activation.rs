//! Elementwise activations of encoders and encoder-decoder models.

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::activation as burn_activation;
use burn_flex::FlexTensor;

use crate::cpu::parallel::{TASK, for_each_item, for_each_simd};
use crate::cpu::vector::{erf, exp};
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;

/// A function applied to every element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x · Φ(x) with Φ of the normal distribution (Hendrycks and Gimpel 2016, arXiv 1606.08415),
    /// by the error function: `gelu` of Transformers.
    Gelu,
    /// GELU with its tanh approximation: `gelu_new` and `gelu_pytorch_tanh` of Transformers.
    GeluTanh,
}

/// Applies `kind` to every element of `x` [T, F].
pub fn activate(x: Tensor<2>, kind: Activation) -> Tensor<2> {
    if !is_fast(&x) {
        return portable(x, kind);
    }
    let x = x.into_dispatch();
    Tensor::from_dispatch(<Dispatch as ActivationKernel>::activate(x, kind))
}

/// [`activate`] with [`Activation::Gelu`].
pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    activate(x, Activation::Gelu)
}

/// [`activate`] with [`Activation::Relu`].
pub fn relu(x: Tensor<2>) -> Tensor<2> {
    activate(x, Activation::Relu)
}

/// [`activate`] in Burn's tensor operations.
pub fn portable(x: Tensor<2>, kind: Activation) -> Tensor<2> {
    match kind {
        Activation::Relu => burn_activation::relu(x),
        Activation::Gelu => burn_activation::gelu(x),
        Activation::GeluTanh => {
            let inner = (x.clone() + x.clone().powi_scalar(3) * CUBIC) * SLOPE;
            x * (inner.tanh() + 1.0) * 0.5
        }
    }
}

#[backend_extension(Flex, Autodiff)]
trait ActivationKernel: Backend {
    fn activate(x: FloatTensor<Self>, kind: Activation) -> FloatTensor<Self>;
}

impl ActivationKernel for Flex {
    fn activate(x: FlexTensor, kind: Activation) -> FlexTensor {
        forward(&contiguous(&x), kind)
    }
}

/// [`activate`] of a contiguous tensor.
pub(crate) fn forward(x: &FlexTensor, kind: Activation) -> FlexTensor {
    let shape: [usize; 2] = dims(x);
    let apply = match kind {
        Activation::Relu => relu_values,
        Activation::Gelu => gelu_values,
        Activation::GeluTanh => gelu_tanh_values,
    };
    let mut output = Values::take(shape[0] * shape[1]);
    let parts = output.chunks_mut(TASK).zip(values(x).chunks(TASK));
    for_each_item(parts, |(y, x)| apply(x, y));
    output.into_tensor(shape)
}

/// Gradient of the input, given the gradient of the output; all contiguous.
pub(crate) fn backward(x: &FlexTensor, kind: Activation, gradient: &[f32]) -> Values {
    let differentiate = match kind {
        Activation::Relu => relu_gradient,
        Activation::Gelu => gelu_gradient,
        Activation::GeluTanh => gelu_tanh_gradient,
    };
    let mut dx = Values::take(gradient.len());
    let inputs = values(x).chunks(TASK).zip(gradient.chunks(TASK));
    for_each_item(dx.chunks_mut(TASK).zip(inputs), |(dx, (x, dy))| {
        differentiate(x, dy, dx)
    });
    dx
}

impl<C: CheckpointStrategy> ActivationKernel for Autodiff<Flex, C> {
    fn activate(x: FloatTensor<Self>, kind: Activation) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let x = x.into_primitive();
        match ActivationBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => {
                preparation.finish((x.clone(), kind), Flex::activate(x, kind))
            }
            OpsKind::UnTracked(preparation) => preparation.finish(Flex::activate(x, kind)),
        }
    }
}

#[derive(Debug)]
struct ActivationBackward;

impl Backward<Flex, 1> for ActivationBackward {
    type State = (FlexTensor, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let (x, kind) = ops.state;
        let x = contiguous(&x);
        let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
        let Some(node) = node else { return };
        let dx = backward(&x, kind, values(&gradient));
        grads.register::<Flex>(node.id, dx.into_tensor(dims::<2>(&x)));
    }
}

/// √(2 / π) of the tanh approximation.
const SLOPE: f32 = 0.797_884_6;
/// Share of x³ in the tanh approximation.
const CUBIC: f32 = 0.044_715;

/// The factor of `x` in the tanh approximation of GELU: (1 + tanh u) / 2, which is the sigmoid of
/// 2u.
#[inline(always)]
pub(crate) fn tanh_share(x: f32) -> f32 {
    1.0 / (1.0 + exp(-2.0 * SLOPE * (x + CUBIC * x * x * x)))
}

/// d 2u / dx of [`tanh_share`].
#[inline(always)]
pub(crate) fn tanh_slope(x: f32) -> f32 {
    2.0 * SLOPE * (1.0 + 3.0 * CUBIC * x * x)
}

for_each_simd! {
    fn relu_values(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = if x > 0.0 { x } else { 0.0 };
        }
    }
}

for_each_simd! {
    fn relu_gradient(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            *dx = if x > 0.0 { dy } else { 0.0 };
        }
    }
}

for_each_simd! {
    fn gelu_values(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

for_each_simd! {
    /// d gelu = Φ(x) + x · φ(x), φ the density of the normal distribution.
    fn gelu_gradient(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        /// 1 / √(2π).
        const DENSITY: f32 = 0.398_942_3;
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            let share = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
            *dx = dy * (share + x * DENSITY * exp(-0.5 * x * x));
        }
    }
}

for_each_simd! {
    fn gelu_tanh_values(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * tanh_share(x);
        }
    }
}

for_each_simd! {
    fn gelu_tanh_gradient(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            let share = tanh_share(x);
            *dx = dy * share * (1.0 + x * (1.0 - share) * tanh_slope(x));
        }
    }
}
