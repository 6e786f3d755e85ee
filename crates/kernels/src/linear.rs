//! y = x · Wᵀ + b.

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn_flex::FlexTensor;

use crate::Factors;
use crate::cpu::gemm::{Matrix, MatrixMut, Threads, Update, gemm};
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;

/// Applies a linear layer: `x` [T, in], `weight` [out, in] (the layout of checkpoints), `bias`
/// `[out]` → [T, out].
///
/// Multiplies in the precision of [`crate::Precision::scope`]. A backward pass computes only the
/// gradients that are needed: none for a frozen weight, none for an input without trainable
/// predecessors.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    if !(is_fast(&x) && is_fast(&weight)) {
        return portable(x, weight, bias);
    }
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let product = <Dispatch as LinearKernel>::linear(x, weight, Factors::current());
    let product = Tensor::from_dispatch(product);
    match bias {
        Some(bias) => product + bias.unsqueeze(),
        None => product,
    }
}

/// [`linear`] in Burn's tensor operations.
pub fn portable(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let product = x.matmul(weight.transpose());
    match bias {
        Some(bias) => product + bias.unsqueeze(),
        None => product,
    }
}

/// The product alone, with a separate backward pass.
#[backend_extension(Flex, Autodiff)]
trait LinearKernel: Backend {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        precision: Factors,
    ) -> FloatTensor<Self>;
}

impl LinearKernel for Flex {
    fn linear(x: FlexTensor, weight: FlexTensor, precision: Factors) -> FlexTensor {
        let (x, weight) = (contiguous(&x), contiguous(&weight));
        let ([tokens, width], [out, columns]) = (dims(&x), dims(&weight));
        product(
            Matrix::dense(values(&x), tokens, width),
            Matrix::dense(values(&weight), out, columns).transposed(),
            [tokens, out],
            precision,
        )
    }
}

/// A · B as a new tensor.
fn product(a: Matrix<'_>, b: Matrix<'_>, shape: [usize; 2], precision: Factors) -> FlexTensor {
    let mut output = Values::take(shape[0] * shape[1]);
    let c = MatrixMut::dense(&mut output, shape[0], shape[1]);
    gemm(a, b, c, Update::Overwrite, precision, Threads::All);
    output.into_tensor(shape)
}

impl<C: CheckpointStrategy> LinearKernel for Autodiff<Flex, C> {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        precision: Factors,
    ) -> FloatTensor<Self> {
        // Each gradient needs the other factor; keep nothing else.
        let (keep_weight, keep_x) = (x.is_tracked(), weight.is_tracked());
        let nodes = [x.node(), weight.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        match LinearBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => {
                let saved = Saved {
                    x: keep_x.then(|| x.clone()),
                    weight: keep_weight.then(|| weight.clone()),
                    precision,
                };
                preparation.finish(saved, Flex::linear(x, weight, precision))
            }
            OpsKind::UnTracked(preparation) => {
                preparation.finish(Flex::linear(x, weight, precision))
            }
        }
    }
}

#[derive(Debug)]
struct LinearBackward;

#[derive(Debug, Clone)]
struct Saved {
    x: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    precision: Factors,
}

impl Backward<Flex, 2> for LinearBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, weight_node] = ops.parents;
        let Saved {
            x,
            weight,
            precision,
        } = ops.state;
        let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
        let [tokens, out] = dims(&gradient);
        let dy = Matrix::dense(values(&gradient), tokens, out);
        if let (Some(node), Some(weight)) = (x_node, weight) {
            let weight = contiguous(&weight);
            let [_, width] = dims(&weight);
            let weight = Matrix::dense(values(&weight), out, width);
            let dx = product(dy, weight, [tokens, width], precision);
            grads.register::<Flex>(node.id, dx);
        }
        if let (Some(node), Some(x)) = (weight_node, x) {
            let x = contiguous(&x);
            let [_, width] = dims(&x);
            let x = Matrix::dense(values(&x), tokens, width);
            let dw = product(dy.transposed(), x, [out, width], precision);
            grads.register::<Flex>(node.id, dw);
        }
    }
}
