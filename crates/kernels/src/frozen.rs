//! Untrained weights, packed once for the products of every pass.

use std::sync::Arc;

use burn::Tensor;

use crate::cpu::gemm::{Matrix, PackedMatrix};
use crate::flex::{dims, is_fast, plain, primitive, values};
use crate::pool::Values;
use crate::{Factors, Precision};

/// A weight [out, in] packed as the right factor of the forward pass and of the gradient of the
/// layer's input, which takes twice the memory of its format. Clones share it.
///
/// In [`Precision::Int8`], the forward pass has one scale per output and the backward pass one per
/// input, and the other factor is rounded to int8 row by row. These are the products of SwitchBack
/// (Wortsman et al. 2023, arXiv 2304.13013) except that of the weight's gradient, which a frozen
/// weight does not have.
#[derive(Debug, Clone)]
pub struct FrozenWeight(Arc<Packs>);

#[derive(Debug)]
struct Packs {
    format: Precision,
    /// Wᵀ.
    forward: PackedMatrix,
    /// W.
    backward: PackedMatrix,
}

impl FrozenWeight {
    /// Packs `weight`; returns nothing on devices other than the CPU. Drop the weight afterwards;
    /// it is no longer needed.
    pub fn new(weight: Tensor<2>, format: Precision) -> Option<Self> {
        let weight = plain(weight);
        if !is_fast(&weight) {
            return None;
        }
        let weight = primitive(weight);
        let [out, width] = dims(&weight);
        let rows = Matrix::dense(values(&weight), out, width);
        let (forward, backward) = match format.of_weight() {
            Some(precision) => (
                PackedMatrix::new(rows.transposed(), precision),
                PackedMatrix::new(rows, precision),
            ),
            None => {
                let columns = transposed(values(&weight), width);
                let columns = Matrix::dense(&columns, width, out);
                (PackedMatrix::int8(rows), PackedMatrix::int8(columns))
            }
        };
        Some(Self(Arc::new(Packs {
            format,
            forward,
            backward,
        })))
    }

    /// [out, in].
    pub fn shape(&self) -> [usize; 2] {
        [self.0.forward.columns(), self.0.forward.depth()]
    }

    /// Number format of its products; `None` for int8.
    pub(crate) fn precision(&self) -> Option<Factors> {
        self.0.format.of_weight()
    }

    /// Wᵀ, the right factor of y = x · Wᵀ.
    pub(crate) fn forward(&self) -> &PackedMatrix {
        &self.0.forward
    }

    /// W, the right factor of dx = dy · W.
    pub(crate) fn backward(&self) -> &PackedMatrix {
        &self.0.backward
    }
}

/// Rows of `width` values as columns.
fn transposed(rows: &[f32], width: usize) -> Values {
    let count = rows.len() / width.max(1);
    let mut columns = Values::take(rows.len());
    for (column, values) in columns.chunks_exact_mut(count.max(1)).enumerate() {
        let along = rows[column..].iter().step_by(width);
        values
            .iter_mut()
            .zip(along)
            .for_each(|(to, from)| *to = *from);
    }
    columns
}
