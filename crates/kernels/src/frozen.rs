//! Weights that are not trained, packed once for the products of every pass.

use std::sync::Arc;

use burn::Tensor;

use crate::cpu::gemm::{Matrix, PackedMatrix};
use crate::flex::{dims, is_fast, plain, primitive, values};
use crate::pool::Values;
use crate::{Precision, WeightFormat};

/// A weight [out, in] packed as the right factor of the forward pass and of the gradient of the
/// layer's input: twice the bytes of its format. Clones share it.
///
/// In [`WeightFormat::Int8`] the forward pass has a scale for each output and the backward pass one
/// for each input, and the other factor is rounded to bytes row by row: the products of SwitchBack
/// (Wortsman et al. 2023, arXiv 2304.13013) without that of the weight's gradient, which a frozen
/// weight does not have.
#[derive(Debug, Clone)]
pub struct FrozenWeight(Arc<Packs>);

#[derive(Debug)]
struct Packs {
    format: WeightFormat,
    /// Wᵀ.
    forward: PackedMatrix,
    /// W.
    backward: PackedMatrix,
}

impl FrozenWeight {
    /// Packs `weight`; nothing on devices other than the CPU. Drop the weight afterwards: nothing
    /// reads it any more.
    pub fn new(weight: Tensor<2>, format: WeightFormat) -> Option<Self> {
        let weight = plain(weight);
        if !is_fast(&weight) {
            return None;
        }
        let weight = primitive(weight);
        let [out, width] = dims(&weight);
        let rows = Matrix::dense(values(&weight), out, width);
        let (forward, backward) = match format.precision() {
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

    /// In which precision it multiplies; nothing in bytes.
    pub(crate) fn precision(&self) -> Option<Precision> {
        self.0.format.precision()
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
