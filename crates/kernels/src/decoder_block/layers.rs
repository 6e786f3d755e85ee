//! The linear layers of a block that read the same input, with their adapters: products and
//! gradients of all of them together.

use std::ops::Range;

use burn_flex::FlexTensor;

use super::{Operands, Plan};
use crate::cpu::gemm::{
    Finish, Matrix, MatrixMut, PackedMatrix, Threads, Update, gemm, gemm_sharing_left,
    gemm_sharing_right,
};
use crate::cpu::parallel::{for_each_item, rows_per_task};
use crate::flex::{dims, values};
use crate::pool::Values;
use crate::{Dropout, FrozenWeight, Precision};

/// Layers `[first, first + N)` of the block, all of which read the same input.
pub(super) struct Group<'a, const N: usize> {
    layers: [Layer<'a>; N],
    tokens: usize,
    /// Size of the input.
    width: usize,
    precision: Precision,
    /// The A of all adapters, one below the other [R, in].
    a: &'a [f32],
    /// Where the group's adapters are in the tensor of all adapters.
    place: Range<usize>,
    dropout: Option<Dropout>,
}

#[derive(Clone, Copy)]
struct Layer<'a> {
    /// [out, in].
    weight: &'a FlexTensor,
    frozen: Option<&'a FrozenWeight>,
    /// Of the adapter; 0 without.
    rank: usize,
    /// s.
    scale: f32,
    /// [out, r].
    b: &'a [f32],
}

impl Layer<'_> {
    fn outputs(&self) -> usize {
        let [outputs, _] = dims(self.weight);
        outputs
    }

    fn matrix(&self) -> Matrix<'_> {
        let [outputs, width] = dims(self.weight);
        Matrix::dense(values(self.weight), outputs, width)
    }
}

/// Gradients of a group's weights, where they are wanted.
pub(super) type WeightGradients<const N: usize> = [Option<FlexTensor>; N];

impl<'a, const N: usize> Group<'a, N> {
    /// The group of the `N` layers from number `first` on: queries are 0, down is 6.
    pub fn new(operands: &'a Operands, plan: &'a Plan, first: usize) -> Self {
        let weights = &operands.layers;
        let [_, width]: [usize; 2] = dims(&weights[first]);
        let size_before = |end: usize| -> usize {
            let size = |index: usize| {
                let [outputs, inputs]: [usize; 2] = dims(&weights[index]);
                plan.ranks[index] * (outputs + inputs)
            };
            (0..end).map(size).sum()
        };
        let place = size_before(first)..size_before(first + N);
        let ranks: [usize; N] = std::array::from_fn(|index| plan.ranks[first + index]);
        let all = &values(&operands.adapters)[place.clone()];
        let (a, mut rest) = all.split_at(ranks.iter().sum::<usize>() * width);
        let layers = std::array::from_fn(|index| {
            let weight = &weights[first + index];
            let [outputs, _]: [usize; 2] = dims(weight);
            let (b, after) = rest.split_at(ranks[index] * outputs);
            rest = after;
            Layer {
                weight,
                frozen: plan.frozen[first + index].as_ref(),
                rank: ranks[index],
                scale: plan.scales[first + index],
                b,
            }
        });
        Self {
            layers,
            tokens: plan.turn.positions.len(),
            width,
            precision: plan.precision(),
            a,
            place,
            dropout: plan.dropout.map(|dropout| dropout.at(first as u64)),
        }
    }

    /// `x` [T, in] through each layer, as new memory: T · out values each; and what
    /// [`Group::backward`] needs of it.
    pub fn forward(&self, x: &[f32]) -> ([Values; N], Values) {
        let mut outputs = self
            .layers
            .map(|layer| Values::take(self.tokens * layer.outputs()));
        let low = self.multiply(x, outputs.each_mut().map(|y| &mut y[..]), Update::Overwrite);
        (outputs, low)
    }

    /// Writes or adds `x` [T, in] through each layer to `outputs` [T, out]. Returns
    /// [`Group::low_projections`].
    pub fn multiply(&self, x: &[f32], outputs: [&mut [f32]; N], update: Update) -> Values {
        let input = Matrix::dense(x, self.tokens, self.width);
        let mut outputs = outputs.into_iter();
        let mut outputs: [MatrixMut<'_>; N] = std::array::from_fn(|index| {
            let output = outputs.next().expect("an output for each layer");
            MatrixMut::dense(output, self.tokens, self.layers[index].outputs())
        });
        let first = self.layers[0].frozen;
        match first.filter(|_| self.layers.iter().all(|layer| layer.frozen.is_some())) {
            Some(first) => {
                let left = first.forward().prepare(input, Threads::All);
                for (layer, output) in self.layers.iter().zip(&mut outputs) {
                    let right = layer.frozen.expect("all are frozen").forward();
                    let output = output.rows_mut(0..self.tokens);
                    let finish = Finish::of(update);
                    right.multiply_columns(&left, 0..right.columns(), output, finish, Threads::All);
                }
            }
            None => {
                let products = self.layers.iter().zip(&mut outputs);
                let products = products
                    .map(|(layer, output)| {
                        (
                            layer.matrix().transposed(),
                            output.rows_mut(0..self.tokens),
                            update,
                        )
                    })
                    .collect();
                gemm_sharing_left(input, products, self.precision);
            }
        }
        self.adapt(x, outputs)
    }

    /// R, the ranks of all adapters added up.
    fn rank(&self) -> usize {
        self.layers.iter().map(|layer| layer.rank).sum()
    }

    /// Each adapter with its columns of the low-rank projections.
    fn adapters(&self) -> impl Iterator<Item = (usize, Layer<'a>, Range<usize>)> {
        let mut end = 0;
        let layers = self.layers.into_iter().enumerate();
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

    fn adapt(&self, x: &[f32], mut outputs: [MatrixMut<'_>; N]) -> Values {
        let low = self.low_projections(x);
        for (index, layer, columns) in self.adapters() {
            let b = Matrix::dense(layer.b, layer.outputs(), layer.rank);
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

    /// Gradients of the weights and the adapters, and that of the input [T, in] where it is
    /// `wanted_input`, given those of the outputs [T, out], the input and the low-rank projections;
    /// the adapters' go into `adapters`, the tensor of all of them.
    pub fn backward(
        &self,
        outputs: [&[f32]; N],
        x: &[f32],
        low: &[f32],
        wanted: [bool; N],
        wanted_input: bool,
        adapters: Option<&mut [f32]>,
    ) -> (WeightGradients<N>, Option<Values>) {
        let weights = self.weight_gradients(outputs, x, wanted);
        let mut dx = wanted_input.then(|| Values::take(self.tokens * self.width));
        let wanted_low = dx.is_some() || adapters.is_some();
        let mut d_low = Values::take(if wanted_low {
            self.tokens * self.rank()
        } else {
            0
        });
        self.multiply_back(outputs, dx.as_deref_mut(), &mut d_low);
        if self.rank() > 0 {
            if let Some(adapters) = adapters {
                self.adapter_gradients(outputs, x, low, &d_low, adapters);
            }
            if let Some(dx) = &mut dx {
                self.add_adapters_input_gradient(&d_low, dx);
            }
        }
        (weights, dx)
    }

    /// Σ dy · W [T, in] where it is wanted, and s · dy · B [T, R] unless that is empty; each dy is
    /// packed once for both.
    fn multiply_back(&self, outputs: [&[f32]; N], mut dx: Option<&mut [f32]>, d_low: &mut [f32]) {
        let mut columns = [const { None }; N];
        self.adapters()
            .for_each(|(index, _, range)| columns[index] = Some(range));
        for (index, (dy, layer)) in outputs.into_iter().zip(self.layers).enumerate() {
            let dy = Matrix::dense(dy, self.tokens, layer.outputs());
            let update = match index {
                0 => Update::Overwrite,
                _ => Update::Add,
            };
            let dx = (dx.as_deref_mut()).map(|dx| MatrixMut::dense(dx, self.tokens, self.width));
            let b = Matrix::dense(layer.b, layer.outputs(), layer.rank);
            let mut d_low = (!d_low.is_empty())
                .then(|| MatrixMut::dense(&mut *d_low, self.tokens, self.rank()));
            let columns = columns[index].take();
            let d_low = (d_low.as_mut().zip(columns)).map(|(all, range)| all.columns_mut(range));
            match layer.frozen {
                Some(frozen) => {
                    let right = frozen.backward();
                    let left = right.prepare(dy, Threads::All);
                    let multiply = |right: &PackedMatrix, c, update| {
                        let finish = Finish::of(update);
                        right.multiply_columns(&left, 0..right.columns(), c, finish, Threads::All);
                    };
                    dx.into_iter().for_each(|dx| multiply(right, dx, update));
                    if let Some(d_low) = d_low {
                        let b = PackedMatrix::new(b, self.precision);
                        multiply(&b, d_low, Update::Overwrite);
                    }
                }
                None => {
                    let dx = dx.map(|dx| (layer.matrix(), dx, update));
                    let d_low = d_low.map(|d_low| (b, d_low, Update::Overwrite));
                    let products = dx.into_iter().chain(d_low).collect();
                    gemm_sharing_left(dy, products, self.precision);
                }
            }
        }
        self.scale(d_low);
    }

    fn weight_gradients(
        &self,
        outputs: [&[f32]; N],
        x: &[f32],
        wanted: [bool; N],
    ) -> WeightGradients<N> {
        let sizes = self.layers.map(|layer| layer.outputs());
        let mut gradients: [Option<Values>; N] =
            std::array::from_fn(|i| wanted[i].then(|| Values::take(sizes[i] * self.width)));
        let products: Vec<_> = gradients
            .iter_mut()
            .enumerate()
            .filter_map(|(i, gradient)| {
                let dy = Matrix::dense(outputs[i], self.tokens, sizes[i]).transposed();
                let gradient = gradient.as_mut()?;
                Some((dy, MatrixMut::dense(gradient, sizes[i], self.width)))
            })
            .collect();
        if !products.is_empty() {
            gemm_sharing_right(products, self.input(x), Update::Overwrite, self.precision);
        }
        let mut sizes = sizes.into_iter();
        gradients.map(|gradient| {
            let outputs = sizes.next().unwrap_or_default();
            gradient.map(|gradient| gradient.into_tensor([outputs, self.width]))
        })
    }

    fn adapter_gradients(
        &self,
        outputs: [&[f32]; N],
        x: &[f32],
        low: &[f32],
        d_low: &[f32],
        adapters: &mut [f32],
    ) {
        let place = &mut adapters[self.place.clone()];
        let (d_a, mut rest) = place.split_at_mut(self.a.len());
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
            let dy = Matrix::dense(outputs[index], self.tokens, layer.outputs());
            self.gemm(
                dy.transposed(),
                self.low(low).part(0..self.tokens, columns),
                MatrixMut::dense(d_b, layer.outputs(), layer.rank),
                Update::Overwrite,
            );
        }
    }

    /// dx += dropout(d_low · A).
    fn add_adapters_input_gradient(&self, d_low: &[f32], dx: &mut [f32]) {
        let Some(dropout) = self.dropout else {
            let dx = MatrixMut::dense(dx, self.tokens, self.width);
            return self.gemm(self.low(d_low), self.a(), dx, Update::Add);
        };
        let mut undropped = Values::take(dx.len());
        let product = MatrixMut::dense(&mut undropped, self.tokens, self.width);
        self.gemm(self.low(d_low), self.a(), product, Update::Overwrite);
        dropout.add_kept(dx, &undropped);
    }

    fn input<'x>(&self, x: &'x [f32]) -> Matrix<'x> {
        Matrix::dense(x, self.tokens, self.width)
    }

    fn low<'x>(&self, low: &'x [f32]) -> Matrix<'x> {
        Matrix::dense(low, self.tokens, self.rank())
    }

    fn a(&self) -> Matrix<'a> {
        Matrix::dense(self.a, self.rank(), self.width)
    }

    /// Multiplies the columns of each adapter by its s.
    fn scale(&self, low: &mut [f32]) {
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

    fn gemm(&self, a: Matrix<'_>, b: Matrix<'_>, c: MatrixMut<'_>, update: Update) {
        gemm(a, b, c, update, self.precision, Threads::All);
    }
}
