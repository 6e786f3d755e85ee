//! The linear layers of a block that read the same input: products and gradients of all of them
//! together.

use std::ops::Range;

use burn_flex::FlexTensor;

use super::{Operands, Plan};
use crate::cpu::gemm::{
    Finish, Matrix, MatrixMut, PackedMatrix, Threads, Update, gemm, gemm_sharing_left,
    gemm_sharing_right,
};
use crate::cpu::parallel::{fill, for_each_item, for_each_simd, rows_per_task};
use crate::flex::{dims, values};
use crate::pool::Values;
use crate::{Dropout, FrozenWeight, Precision};

/// Layers `[first, first + N)` of the block, all of which read the same input.
pub(super) struct Group<'a, const N: usize> {
    pub layers: [Layer<'a>; N],
    pub tokens: usize,
    /// Size of the input.
    pub width: usize,
    precision: Precision,
    /// The A of all adapters, one below the other [R, in].
    pub a: &'a [f32],
    /// Where the group's adapters and biases are in the tensor of all of them.
    place: Range<usize>,
    pub dropout: Option<Dropout>,
}

#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    weight: Weight<'a>,
    pub outputs: usize,
    /// `[out]`; empty without.
    bias: &'a [f32],
    /// Of the adapter; 0 without.
    pub rank: usize,
    /// s.
    pub scale: f32,
    /// [out, r].
    pub b: &'a [f32],
}

#[derive(Clone, Copy)]
enum Weight<'a> {
    Plain(Matrix<'a>),
    Frozen(&'a FrozenWeight),
}

impl Layer<'_> {
    fn finish(&self, update: Update) -> Finish<'_> {
        Finish {
            bias: Some(self.bias).filter(|bias| !bias.is_empty()),
            ..Finish::of(update)
        }
    }
}

/// Gradients of a group's weights, where they are wanted.
pub(super) type WeightGradients<const N: usize> = [Option<FlexTensor>; N];

/// The beginning of `rest` of this length, which is taken off.
fn next<'a>(rest: &mut &'a [f32], length: usize) -> &'a [f32] {
    let (part, after) = rest.split_at(length);
    *rest = after;
    part
}

impl<'a, const N: usize> Group<'a, N> {
    /// The group of the `N` layers from number `first` on: queries are 0, down is 6.
    pub fn new(operands: &'a Operands, plan: &'a Plan, first: usize) -> Self {
        let shape = |index: usize| -> [usize; 2] {
            match &plan.frozen[index] {
                Some(weight) => weight.shape(),
                None => dims(&operands.layers[index]),
            }
        };
        let size_before = |end: usize| -> usize {
            let size = |index: usize| {
                let [outputs, inputs] = shape(index);
                let bias = if plan.biased[index] { outputs } else { 0 };
                plan.ranks[index] * (outputs + inputs) + bias
            };
            (0..end).map(size).sum()
        };
        let [_, width] = shape(first);
        let place = size_before(first)..size_before(first + N);
        let ranks = &plan.ranks[first..first + N];
        let mut rest = &values(&operands.additions)[place.clone()];
        let a = next(&mut rest, ranks.iter().sum::<usize>() * width);
        let mut layers: [Layer<'a>; N] = std::array::from_fn(|index| {
            let number = first + index;
            let [outputs, _] = shape(number);
            Layer {
                weight: match &plan.frozen[number] {
                    Some(weight) => Weight::Frozen(weight),
                    None => {
                        let weight = values(&operands.layers[number]);
                        Weight::Plain(Matrix::dense(weight, outputs, width))
                    }
                },
                outputs,
                bias: &[],
                rank: ranks[index],
                scale: plan.scales[number],
                b: next(&mut rest, ranks[index] * outputs),
            }
        });
        for (layer, biased) in layers.iter_mut().zip(&plan.biased[first..]) {
            layer.bias = next(&mut rest, if *biased { layer.outputs } else { 0 });
        }
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
            .map(|layer| Values::take(self.tokens * layer.outputs));
        let low = self.multiply(x, outputs.each_mut().map(|y| &mut y[..]), Update::Overwrite);
        (outputs, low)
    }

    /// Writes or adds `x` [T, in] through each layer to `outputs` [T, out]. Returns
    /// [`Group::low_projections`].
    pub fn multiply(&self, x: &[f32], outputs: [&mut [f32]; N], update: Update) -> Values {
        let mut outputs = outputs.into_iter();
        let mut outputs: [MatrixMut<'_>; N] = std::array::from_fn(|index| {
            let output = outputs.next().expect("an output for each layer");
            MatrixMut::dense(output, self.tokens, self.layers[index].outputs)
        });
        // What several plain weights, or several packed ones, multiply is packed once for them.
        let (mut plain, mut left) = (Vec::new(), None);
        for (layer, output) in self.layers.iter().zip(&mut outputs) {
            let output = output.rows_mut(0..self.tokens);
            let finish = layer.finish(update);
            match layer.weight {
                Weight::Plain(weight) => plain.push((weight.transposed(), output, finish)),
                Weight::Frozen(weight) => {
                    let right = weight.forward();
                    let left =
                        left.get_or_insert_with(|| right.prepare(self.input(x), Threads::All));
                    right.multiply_columns(left, 0..right.columns(), output, finish, Threads::All);
                }
            }
        }
        if !plain.is_empty() {
            gemm_sharing_left(self.input(x), plain, self.precision);
        }
        self.adapt(x, outputs)
    }

    /// Gradients of the weights, and that of the input [T, in] where it is `wanted_input`, given
    /// those of the outputs [T, out], the input and the low-rank projections; the adapters' and
    /// biases' go into `additions`, the tensor of all of them.
    pub fn backward(
        &self,
        outputs: [&[f32]; N],
        x: &[f32],
        low: &[f32],
        wanted: [bool; N],
        wanted_input: bool,
        additions: Option<&mut [f32]>,
    ) -> (WeightGradients<N>, Option<Values>) {
        let weights = self.weight_gradients(outputs, x, wanted);
        let mut dx = wanted_input.then(|| Values::take(self.tokens * self.width));
        let wanted_low = dx.is_some() || additions.is_some();
        let mut d_low = Values::take(if wanted_low {
            self.tokens * self.rank()
        } else {
            0
        });
        self.multiply_back(outputs, dx.as_deref_mut(), &mut d_low);
        if let Some(additions) = additions {
            let place = &mut additions[self.place.clone()];
            let adapters = self.adapters().map(|(_, layer, _)| layer.b.len());
            let (adapters, biases) = place.split_at_mut(self.a.len() + adapters.sum::<usize>());
            self.adapter_gradients(outputs, x, low, &d_low, adapters);
            self.bias_gradients(outputs, biases);
        }
        if let Some(dx) = &mut dx {
            self.add_adapters_input_gradient(&d_low, dx);
        }
        (weights, dx)
    }

    /// Σ dy · W [T, in] where it is wanted, and s · dy · B [T, R] unless that is empty; each dy is
    /// packed once for both, except beside weights of bytes.
    fn multiply_back(&self, outputs: [&[f32]; N], mut dx: Option<&mut [f32]>, d_low: &mut [f32]) {
        let mut columns = [const { None }; N];
        self.adapters()
            .for_each(|(index, _, range)| columns[index] = Some(range));
        for (index, (dy, layer)) in outputs.into_iter().zip(self.layers).enumerate() {
            let dy = Matrix::dense(dy, self.tokens, layer.outputs);
            let update = match index {
                0 => Update::Overwrite,
                _ => Update::Add,
            };
            let dx = (dx.as_deref_mut()).map(|dx| MatrixMut::dense(dx, self.tokens, self.width));
            let b = Matrix::dense(layer.b, layer.outputs, layer.rank);
            let mut d_low = (!d_low.is_empty())
                .then(|| MatrixMut::dense(&mut *d_low, self.tokens, self.rank()));
            let columns = columns[index].take();
            let d_low = (d_low.as_mut().zip(columns)).map(|(all, range)| all.columns_mut(range));
            match layer.weight {
                Weight::Frozen(weight) => {
                    let right = weight.backward();
                    let left = right.prepare(dy, Threads::All);
                    let multiply = |right: &PackedMatrix, c, update| {
                        let finish = Finish::of(update);
                        right.multiply_columns(&left, 0..right.columns(), c, finish, Threads::All);
                    };
                    dx.into_iter().for_each(|dx| multiply(right, dx, update));
                    match (d_low, weight.precision()) {
                        (Some(d_low), Some(precision)) => {
                            let b = PackedMatrix::new(b, precision);
                            multiply(&b, d_low, Update::Overwrite);
                        }
                        (Some(d_low), None) => self.gemm(dy, b, d_low, Update::Overwrite),
                        (None, _) => {}
                    }
                }
                Weight::Plain(weight) => {
                    let dx = dx.map(|dx| (weight, dx, Finish::of(update)));
                    let d_low = d_low.map(|d_low| (b, d_low, Finish::of(Update::Overwrite)));
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
        let sizes = self.layers.map(|layer| layer.outputs);
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

    /// Sums over the tokens, one bias after the other.
    fn bias_gradients(&self, outputs: [&[f32]; N], mut biases: &mut [f32]) {
        for (dy, layer) in outputs.into_iter().zip(self.layers) {
            let (gradient, after) = biases.split_at_mut(layer.bias.len());
            biases = after;
            if !gradient.is_empty() {
                sum_rows(dy, gradient);
            }
        }
    }

    pub fn input<'x>(&self, x: &'x [f32]) -> Matrix<'x> {
        Matrix::dense(x, self.tokens, self.width)
    }

    pub fn gemm(&self, a: Matrix<'_>, b: Matrix<'_>, c: MatrixMut<'_>, update: Update) {
        gemm(a, b, c, update, self.precision, Threads::All);
    }
}

/// The sum of all rows of `all`. In order of rows: it does not depend on which thread was quicker.
fn sum_rows(all: &[f32], sum: &mut [f32]) {
    let width = sum.len();
    let rows = all.chunks(width * rows_per_task(width));
    let mut parts = vec![vec![0.0; width]; rows.len()];
    for_each_item(parts.iter_mut().zip(rows), |(part, rows)| {
        add_rows(rows, part)
    });
    fill(sum, 0.0);
    for part in &parts {
        add_rows(part, sum);
    }
}

for_each_simd! {
    /// Adds each row to `sum`.
    fn add_rows(rows: &[f32], sum: &mut [f32]) {
        for row in rows.chunks_exact(sum.len()) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}
