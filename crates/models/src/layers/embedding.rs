//! Embedding tables.

use burn::Tensor;
use burn::module::{Module, Param};

/// A table with a row for each token or position.
#[derive(Module, Debug)]
pub struct Embedding {
    /// [rows, C].
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// The rows `ids`: [T, C].
    ///
    /// # Panics
    /// If there is no such row.
    pub fn forward(&self, ids: &[u32]) -> Tensor<2> {
        kernels::embedding(self.weight.val(), ids)
    }
}
