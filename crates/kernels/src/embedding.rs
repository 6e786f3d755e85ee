//! Rows of the token table.

use std::sync::Arc;

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Int, TensorData};
use burn_flex::FlexTensor;

use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;

/// Looks up token `ids` in `weight` [V, C] → [T, C].
///
/// # Panics
/// If an id is not below V; callers check ids where they originate in text.
pub fn embedding(weight: Tensor<2>, ids: &[u32]) -> Tensor<2> {
    check(&weight, ids);
    if !is_fast(&weight) {
        return portable(weight, ids);
    }
    let rows = <Dispatch as EmbeddingKernel>::embedding(weight.into_dispatch(), ids.into());
    Tensor::from_dispatch(rows)
}

/// [`embedding`] in Burn's tensor operations.
pub fn portable(weight: Tensor<2>, ids: &[u32]) -> Tensor<2> {
    let indices: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let count = indices.len();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), &weight.device());
    weight.select(0, indices)
}

#[backend_extension(Flex, Autodiff)]
trait EmbeddingKernel: Backend {
    fn embedding(weight: FloatTensor<Self>, ids: Arc<[u32]>) -> FloatTensor<Self>;
}

impl EmbeddingKernel for Flex {
    fn embedding(weight: FlexTensor, ids: Arc<[u32]>) -> FlexTensor {
        let weight = contiguous(&weight);
        let [_, width] = dims(&weight);
        let mut output = Values::take(ids.len() * width);
        for (row, &id) in output.chunks_exact_mut(width).zip(ids.iter()) {
            row.copy_from_slice(&values(&weight)[id as usize * width..][..width]);
        }
        output.into_tensor([ids.len(), width])
    }
}

impl<C: CheckpointStrategy> EmbeddingKernel for Autodiff<Flex, C> {
    fn embedding(weight: FloatTensor<Self>, ids: Arc<[u32]>) -> FloatTensor<Self> {
        let nodes = [weight.node()];
        let weight = weight.into_primitive();
        let [rows, _] = dims(&weight);
        match EmbeddingBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => {
                let saved = (rows, ids.clone());
                preparation.finish(saved, Flex::embedding(weight, ids))
            }
            OpsKind::UnTracked(preparation) => preparation.finish(Flex::embedding(weight, ids)),
        }
    }
}

#[derive(Debug)]
struct EmbeddingBackward;

impl Backward<Flex, 1> for EmbeddingBackward {
    /// Number of rows of the table, and the ids.
    type State = (usize, Arc<[u32]>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let (rows, ids) = ops.state;
        let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
        let [_, width] = dims(&gradient);
        let Some(node) = node else { return };
        let mut table = Values::zeros(rows * width);
        for (row, &id) in values(&gradient).chunks_exact(width).zip(ids.iter()) {
            let sums = &mut table[id as usize * width..][..width];
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        grads.register::<Flex>(node.id, table.into_tensor([rows, width]));
    }
}

fn check(weight: &Tensor<2>, ids: &[u32]) {
    let [rows, _] = weight.dims();
    if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
        panic!("token id {id} is not in the embedding table of {rows} rows");
    }
}
