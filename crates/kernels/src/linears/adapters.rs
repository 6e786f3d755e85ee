//! The low-rank adapters of a group of layers: their contributions to the outputs, and their
//! gradients.

use std::ops::Range;

use super::group::{Group, Layer};
use crate::cpu::gemm::{Matrix, MatrixMut, Update};
use crate::cpu::parallel::{for_each_item, rows_per_task};
use crate::pool::Values;

impl<'a> Group<'a> {
    /// R, the sum of the ranks of all adapters.
    pub fn rank(&self) -> usize {
        self.layers.iter().map(|layer| layer.rank).sum()
    }

    /// Each adapter with its columns of the low-rank projections.
    pub fn adapters(&self) -> impl Iterator<Item = (usize, Layer<'a>, Range<usize>)> + '_ {
        let mut end = 0;
        let layers = self.layers.iter().copied().enumerate();
        let columns = layers.map(move |(index, layer)| {
            end += layer.rank;
            (index, layer, end - layer.rank..end)
        });
        columns.filter(|(_, layer, _)| layer.rank > 0)
    }

    /// s · dropout(x) · Aᵀ [T, R] of all adapters.
    pub fn low_projections(&self, x: &[f32]) -> Values {
        let mut low = Values::take(self.tokens * self.rank());
        if self.rank() == 0 {
            return low;
        }
        let dropped = self.dropout.map(|dropout| dropout.applied(x));
        self.gemm(
            self.input(dropped.as_deref().unwrap_or(x)),
            self.a().transposed(),
            MatrixMut::dense(&mut low, self.tokens, self.rank()),
            Update::Overwrite,
        );
        self.scale(&mut low);
        low
    }

    /// Adds the adapters' contributions for `x` to `outputs`; returns [`Group::low_projections`].
    pub fn adapt(&self, x: &[f32], mut outputs: Vec<MatrixMut<'_>>) -> Values {
        let low = self.low_projections(x);
        for (index, layer, columns) in self.adapters() {
            let b = Matrix::dense(layer.b, layer.outputs, layer.rank);
            let output = outputs[index].rows_mut(0..self.tokens);
            self.gemm(
                self.low(&low).part(0..self.tokens, columns),
                b.transposed(),
                output,
                Update::Add,
            );
        }
        low
    }

    /// Computes the gradients of every A and then every B into `adapters`, given those of the
    /// outputs, the input, the low-rank projections, and s · dy · B.
    pub fn adapter_gradients(
        &self,
        outputs: &[&[f32]],
        x: &[f32],
        low: &[f32],
        d_low: &[f32],
        adapters: &mut [f32],
    ) {
        if self.rank() == 0 {
            return;
        }
        let (d_a, mut rest) = adapters.split_at_mut(self.a.len());
        let dropped = self.dropout.map(|dropout| dropout.applied(x));
        self.gemm(
            self.low(d_low).transposed(),
            self.input(dropped.as_deref().unwrap_or(x)),
            MatrixMut::dense(d_a, self.rank(), self.width),
            Update::Overwrite,
        );
        for (index, layer, columns) in self.adapters() {
            let (d_b, after) = rest.split_at_mut(layer.b.len());
            rest = after;
            let dy = Matrix::dense(outputs[index], self.tokens, layer.outputs);
            self.gemm(
                dy.transposed(),
                self.low(low).part(0..self.tokens, columns),
                MatrixMut::dense(d_b, layer.outputs, layer.rank),
                Update::Overwrite,
            );
        }
    }

    /// dx += dropout(d_low · A).
    pub fn add_adapters_input_gradient(&self, d_low: &[f32], dx: &mut [f32]) {
        if self.rank() == 0 {
            return;
        }
        let Some(dropout) = self.dropout else {
            let dx = MatrixMut::dense(dx, self.tokens, self.width);
            return self.gemm(self.low(d_low), self.a(), dx, Update::Add);
        };
        let mut undropped = Values::take(dx.len());
        let product = MatrixMut::dense(&mut undropped, self.tokens, self.width);
        self.gemm(self.low(d_low), self.a(), product, Update::Overwrite);
        dropout.add_kept(dx, &undropped);
    }

    /// Multiplies the columns of each adapter by its s.
    pub fn scale(&self, low: &mut [f32]) {
        let rank = self.rank();
        if rank == 0 {
            return;
        }
        let factors: Vec<f32> = self
            .adapters()
            .flat_map(|(_, layer, _)| std::iter::repeat_n(layer.scale, layer.rank))
            .collect();
        for_each_item(low.chunks_mut(rank * rows_per_task(rank)), |rows| {
            for row in rows.chunks_exact_mut(rank) {
                row.iter_mut().zip(&factors).for_each(|(v, f)| *v *= f);
            }
        });
    }

    fn low<'x>(&self, low: &'x [f32]) -> Matrix<'x> {
        Matrix::dense(low, self.tokens, self.rank())
    }

    fn a(&self) -> Matrix<'a> {
        Matrix::dense(self.a, self.rank(), self.width)
    }
}
