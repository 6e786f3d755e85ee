//! Root-mean-square normalisation (Zhang and Sennrich 2019).

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn_flex::FlexTensor;

use crate::cpu::parallel::{for_each_item, for_each_simd, rows_per_task};
use crate::cpu::vector::dot;
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;

/// Normalises each row of `x` [T, C] by its root mean square and scales by `weight` `[C]`:
/// `x / sqrt(mean(x²) + epsilon) · weight`.
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, epsilon: f64) -> Tensor<2> {
    if !(is_fast(&x) && is_fast(&weight)) {
        return portable(x, weight, epsilon);
    }
    assert_eq!(
        x.dims()[1],
        weight.dims()[0],
        "width of the normalised rows"
    );
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(<Dispatch as RmsNormKernel>::rms_norm(x, weight, epsilon))
}

/// [`rms_norm`] in Burn's tensor operations.
pub fn portable(x: Tensor<2>, weight: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let mean_square = x.clone().square().mean_dim(1);
    let scale = (mean_square + epsilon).sqrt().recip();
    x * scale * weight.unsqueeze()
}

#[backend_extension(Flex, Autodiff)]
trait RmsNormKernel: Backend {
    fn rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, epsilon: f64)
    -> FloatTensor<Self>;
}

impl RmsNormKernel for Flex {
    fn rms_norm(x: FlexTensor, weight: FlexTensor, epsilon: f64) -> FlexTensor {
        forward(&contiguous(&x), &contiguous(&weight), epsilon as f32)
    }
}

/// [`rms_norm`] of contiguous tensors.
pub(crate) fn forward(x: &FlexTensor, weight: &FlexTensor, epsilon: f32) -> FlexTensor {
    let [tokens, width] = dims(x);
    let mut output = Values::take(tokens * width);
    let rows = (rows_per_task(width) * width).max(1);
    let parts = output.chunks_mut(rows).zip(values(x).chunks(rows));
    for_each_item(parts, |(y, x)| normalise(x, values(weight), epsilon, y));
    output.into_tensor([tokens, width])
}

/// Gradients of input and weight, given the gradient of the output; all contiguous.
pub(crate) fn backward(
    x: &FlexTensor,
    weight: &FlexTensor,
    epsilon: f32,
    gradient: &[f32],
) -> (Values, Values) {
    let [tokens, width] = dims(x);
    let mut dx = Values::take(tokens * width);
    let rows = (rows_per_task(width) * width).max(1);
    let mut parts = vec![vec![0.0; width]; dx.len().div_ceil(rows)];
    let tasks = (parts.iter_mut().zip(dx.chunks_mut(rows)))
        .zip(values(x).chunks(rows).zip(gradient.chunks(rows)));
    for_each_item(tasks, |((dw, dx), (x, dy))| {
        differentiate(x, values(weight), epsilon, dy, dx, dw);
    });
    let mut dw = Values::take(width);
    dw.fill(0.0);
    // In the order of the rows, so that the sum does not depend on which thread was faster.
    for part in parts {
        for (sum, value) in dw.iter_mut().zip(part) {
            *sum += value;
        }
    }
    (dx, dw)
}

impl<C: CheckpointStrategy> RmsNormKernel for Autodiff<Flex, C> {
    fn rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        match RmsNormBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => {
                let saved = (x.clone(), weight.clone(), epsilon as f32);
                preparation.finish(saved, Flex::rms_norm(x, weight, epsilon))
            }
            OpsKind::UnTracked(preparation) => {
                preparation.finish(Flex::rms_norm(x, weight, epsilon))
            }
        }
    }
}

#[derive(Debug)]
struct RmsNormBackward;

impl Backward<Flex, 2> for RmsNormBackward {
    /// Input, weight and epsilon; recomputing the scales is cheaper than storing them.
    type State = (FlexTensor, FlexTensor, f32);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, weight_node] = ops.parents;
        let (x, weight, epsilon) = ops.state;
        let (x, weight) = (contiguous(&x), contiguous(&weight));
        let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
        let (dx, dw) = backward(&x, &weight, epsilon, values(&gradient));
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, dx.into_tensor(dims::<2>(&x)));
        }
        if let Some(node) = weight_node {
            grads.register::<Flex>(node.id, dw.into_tensor(dims::<1>(&weight)));
        }
    }
}

for_each_simd! {
    /// From whole rows of `x` to `y`.
    fn normalise(x: &[f32], weight: &[f32], epsilon: f32, y: &mut [f32]) {
        let width = weight.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let scale = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
            for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
                *y = x * scale * weight;
            }
        }
    }
}

for_each_simd! {
    /// With r = 1 / rms: dx = r · (w · dy - x · r² · mean(w · dy · x)), and dw += dy · x · r.
    fn differentiate(
        x: &[f32],
        weight: &[f32],
        epsilon: f32,
        dy: &[f32],
        dx: &mut [f32],
        dw: &mut [f32],
    ) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let scale = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
            for ((dx, dy), weight) in dx.iter_mut().zip(dy).zip(weight) {
                *dx = dy * weight;
            }
            let shared = dot(dx, x) / width as f32 * scale * scale;
            for ((dx, x), (dw, dy)) in dx.iter_mut().zip(x).zip(dw.iter_mut().zip(dy)) {
                *dx = scale * (*dx - x * shared);
                *dw += dy * x * scale;
            }
        }
    }
}
