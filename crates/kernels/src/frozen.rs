//! Weights that are not trained, packed once for the products of every pass.

use std::sync::Arc;

use burn::Tensor;

use crate::Precision;
use crate::cpu::gemm::{Matrix, PackedMatrix};
use crate::flex::{dims, is_fast, plain, primitive, values};

/// A weight [out, in] packed as the right factor of the forward pass and of the gradient of the
/// layer's input. In bf16 both together take the memory of the weight itself; in f32 twice that.
#[derive(Debug, Clone)]
pub struct FrozenWeight(Arc<Packs>);

#[derive(Debug)]
struct Packs {
    precision: Precision,
    /// Wᵀ.
    forward: PackedMatrix,
    /// W.
    backward: PackedMatrix,
}

impl FrozenWeight {
    /// Packs `weight`; nothing on devices other than the CPU.
    pub fn new(weight: Tensor<2>, precision: Precision) -> Option<Self> {
        let weight = plain(weight);
        if !is_fast(&weight) {
            return None;
        }
        let weight = primitive(weight);
        let [out, width] = dims(&weight);
        let rows = Matrix::dense(values(&weight), out, width);
        Some(Self(Arc::new(Packs {
            precision,
            forward: PackedMatrix::new(rows.transposed(), precision),
            backward: PackedMatrix::new(rows, precision),
        })))
    }

    /// In which precision it multiplies.
    pub(crate) fn precision(&self) -> Precision {
        self.0.precision
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
