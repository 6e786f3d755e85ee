//! Rows of the token table.

use burn::Tensor;
use burn::tensor::{Int, TensorData};

/// Looks up token `ids` in `weight` [V, C] → [T, C].
///
/// # Panics
/// If an id is not below V: callers check ids where they come from text.
pub fn embedding(weight: Tensor<2>, ids: &[u32]) -> Tensor<2> {
    check(&weight, ids);
    portable(weight, ids)
}

/// [`embedding`] in Burn's tensor operations.
pub fn portable(weight: Tensor<2>, ids: &[u32]) -> Tensor<2> {
    let indices: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let count = indices.len();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), &weight.device());
    weight.select(0, indices)
}

fn check(weight: &Tensor<2>, ids: &[u32]) {
    let [rows, _] = weight.dims();
    if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
        panic!("token id {id} is not in the embedding table of {rows} rows");
    }
}
