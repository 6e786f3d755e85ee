//! Layer normalisation (Ba, Kiros and Hinton 2016, arXiv 1607.06450).

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn_flex::FlexTensor;

use crate::cpu::parallel::{for_each_item, for_each_simd, rows_per_task};
use crate::cpu::vector::sum_of;
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;

/// Normalises each row of `x` [T, C] to mean 0 and variance 1, then scales by `weight` `[C]` and
/// adds `bias` `[C]`: `(x - mean) / sqrt(variance + epsilon) · weight + bias`, with the biased
/// variance (divided by C).
///
/// # Panics
/// If `weight` or `bias` is not as wide as the rows.
pub fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<2> {
    if !(is_fast(&x) && is_fast(&weight) && is_fast(&bias)) {
        return portable(x, weight, bias, epsilon);
    }
    let [_, width] = x.dims();
    assert_eq!(weight.dims(), [width], "width of the normalised rows");
    assert_eq!(bias.dims(), [width], "width of the normalised rows");
    Tensor::from_dispatch(<Dispatch as LayerNormKernel>::layer_norm(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        epsilon,
    ))
}

/// [`layer_norm`] in Burn's tensor operations.
pub fn portable(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    let scale = (variance + epsilon).sqrt().recip();
    centred * scale * weight.unsqueeze() + bias.unsqueeze()
}

#[backend_extension(Flex, Autodiff)]
trait LayerNormKernel: Backend {
    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;
}

impl LayerNormKernel for Flex {
    fn layer_norm(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, epsilon: f64) -> FlexTensor {
        let [x, weight, bias] = [x, weight, bias].map(|tensor| contiguous(&tensor));
        forward(&x, &weight, &bias, epsilon as f32)
    }
}

/// [`layer_norm`] of contiguous tensors.
pub(crate) fn forward(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    epsilon: f32,
) -> FlexTensor {
    let [tokens, width] = dims(x);
    let mut output = Values::take(tokens * width);
    let rows = (rows_per_task(width) * width).max(1);
    let parts = output.chunks_mut(rows).zip(values(x).chunks(rows));
    for_each_item(parts, |(y, x)| {
        normalise(x, values(weight), values(bias), epsilon, y);
    });
    output.into_tensor([tokens, width])
}

/// Gradients of input, weight and bias, given the gradient of the output; all contiguous.
pub(crate) fn backward(
    x: &FlexTensor,
    weight: &FlexTensor,
    epsilon: f32,
    gradient: &[f32],
) -> (Values, [Values; 2]) {
    let [tokens, width] = dims(x);
    let mut dx = Values::take(tokens * width);
    let rows = (rows_per_task(width) * width).max(1);
    let sums = || [vec![0.0; width], vec![0.0; width]];
    let mut parts: Vec<_> = dx.chunks(rows).map(|_| sums()).collect();
    let tasks = (parts.iter_mut().zip(dx.chunks_mut(rows)))
        .zip(values(x).chunks(rows).zip(gradient.chunks(rows)));
    for_each_item(tasks, |(([dw, db], dx), (x, dy))| {
        differentiate(x, values(weight), epsilon, dy, dx, dw, db);
    });
    let totals = [0, 1].map(|index| {
        let mut total = Values::take(width);
        total.fill(0.0);
        // In the order of the rows, so that the sum does not depend on which thread was faster.
        for part in &parts {
            for (sum, value) in total.iter_mut().zip(&part[index]) {
                *sum += value;
            }
        }
        total
    });
    (dx, totals)
}

impl<C: CheckpointStrategy> LayerNormKernel for Autodiff<Flex, C> {
    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let [x, weight, bias] = [x, weight, bias].map(|tensor| tensor.into_primitive());
        match LayerNormBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => {
                let saved = (x.clone(), weight.clone(), epsilon as f32);
                preparation.finish(saved, Flex::layer_norm(x, weight, bias, epsilon))
            }
            OpsKind::UnTracked(preparation) => {
                preparation.finish(Flex::layer_norm(x, weight, bias, epsilon))
            }
        }
    }
}

#[derive(Debug)]
struct LayerNormBackward;

impl Backward<Flex, 3> for LayerNormBackward {
    /// Input, weight and epsilon; recomputing means and scales is cheaper than storing them.
    type State = (FlexTensor, FlexTensor, f32);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let (x, weight, epsilon) = ops.state;
        let (x, weight) = (contiguous(&x), contiguous(&weight));
        let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
        let (dx, [dw, db]) = backward(&x, &weight, epsilon, values(&gradient));
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, dx.into_tensor(dims::<2>(&x)));
        }
        for (node, gradient) in [(weight_node, dw), (bias_node, db)] {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, gradient.into_tensor(dims::<1>(&weight)));
            }
        }
    }
}

/// Mean of a row, and 1 / standard deviation.
#[inline(always)]
fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let width = x.len() as f32;
    let mean = sum_of(x, x, |x, _| x) / width;
    let variance = sum_of(x, x, |x, _| (x - mean) * (x - mean)) / width;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

for_each_simd! {
    /// From whole rows of `x` to `y`.
    fn normalise(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, y: &mut [f32]) {
        let width = weight.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let (mean, scale) = moments(x, epsilon);
            for ((y, x), (weight, bias)) in y.iter_mut().zip(x).zip(weight.iter().zip(bias)) {
                *y = (x - mean) * scale * weight + bias;
            }
        }
    }
}

for_each_simd! {
    /// With x̂ the normalised input, r = 1 / standard deviation and g = w · dy:
    /// dx = r · (g - mean(g) - x̂ · mean(g · x̂)), dw += dy · x̂ and db += dy.
    fn differentiate(
        x: &[f32],
        weight: &[f32],
        epsilon: f32,
        dy: &[f32],
        dx: &mut [f32],
        dw: &mut [f32],
        db: &mut [f32],
    ) {
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let (mean, scale) = moments(x, epsilon);
            for ((dx, dy), weight) in dx.iter_mut().zip(dy).zip(weight) {
                *dx = dy * weight;
            }
            let shift = sum_of(dx, dx, |g, _| g) / width as f32;
            let tilt = sum_of(dx, x, |g, x| g * (x - mean)) / width as f32 * scale;
            for ((dx, x), (dy, (dw, db))) in dx.iter_mut().zip(x).zip(dy.iter().zip(dw.iter_mut().zip(db.iter_mut()))) {
                let normal = (x - mean) * scale;
                *dx = scale * (*dx - shift - normal * tilt);
                *dw += dy * normal;
                *db += dy;
            }
        }
    }
}
