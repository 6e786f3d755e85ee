//! The linear layers of a call: their products and gradients together.

use burn_flex::FlexTensor;

use super::{Operands, Plan};
use crate::cpu::gemm::{
    Finish, Matrix, MatrixMut, PackedMatrix, Threads, Update, gemm, gemm_sharing_left,
    gemm_sharing_right,
};
use crate::cpu::parallel::{fill, for_each_item, for_each_simd, rows_per_task};
use crate::flex::{dims, values};
use crate::pool::Values;
use crate::{Dropout, Factors, FrozenWeight};

/// Layers with a common input.
pub(super) struct Group<'a> {
    pub layers: Vec<Layer<'a>>,
    pub tokens: usize,
    /// Size of the input.
    pub width: usize,
    precision: Factors,
    /// The A of all adapters, stacked [R, in].
    pub a: &'a [f32],
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

/// Splits the first `length` elements off `rest`.
fn next<'a>(rest: &mut &'a [f32], length: usize) -> &'a [f32] {
    let (part, after) = rest.split_at(length);
    *rest = after;
    part
}

impl<'a> Group<'a> {
    /// The layers of a call whose input is `input` [T, in].
    pub fn new(operands: &'a Operands, plan: &'a Plan, input: &FlexTensor) -> Self {
        let [tokens, width] = dims(input);
        let mut rest = values(&operands.additions);
        let ranks = plan.layers.iter().map(|layer| layer.rank);
        let a = next(&mut rest, ranks.sum::<usize>() * width);
        let layers = plan.layers.iter().zip(&operands.weights);
        let mut layers: Vec<Layer<'a>> = layers
            .map(|(layer, weight)| {
                let [outputs, inputs] = match &layer.frozen {
                    Some(weight) => weight.shape(),
                    None => dims(weight),
                };
                assert_eq!(inputs, width, "width of the input of a linear layer");
                Layer {
                    weight: match &layer.frozen {
                        Some(weight) => Weight::Frozen(weight),
                        None => Weight::Plain(Matrix::dense(values(weight), outputs, width)),
                    },
                    outputs,
                    bias: &[],
                    rank: layer.rank,
                    scale: layer.scale,
                    b: next(&mut rest, layer.rank * outputs),
                }
            })
            .collect();
        for (layer, plan) in layers.iter_mut().zip(&plan.layers) {
            layer.bias = next(&mut rest, if plan.biased { layer.outputs } else { 0 });
        }
        Self {
            layers,
            tokens,
            width,
            precision: plan.precision,
            a,
            dropout: plan.dropout,
        }
    }

    /// [T, out] of each layer.
    pub fn output_shapes(&self) -> Vec<[usize; 2]> {
        let outputs = self.layers.iter().map(|layer| layer.outputs);
        outputs.map(|outputs| [self.tokens, outputs]).collect()
    }

    /// Memory for the output of each layer.
    pub fn empty_outputs(&self) -> Vec<Values> {
        let shapes = self.output_shapes().into_iter();
        shapes
            .map(|[tokens, out]| Values::take(tokens * out))
            .collect()
    }

    /// Writes `x` [T, in] through each layer to `outputs` [T, out], or adds it. Returns
    /// [`Group::low_projections`].
    pub fn multiply(&self, x: &[f32], outputs: &mut [Values], update: Update) -> Values {
        let mut outputs: Vec<MatrixMut<'_>> = (outputs.iter_mut().zip(&self.layers))
            .map(|(output, layer)| MatrixMut::dense(output, self.tokens, layer.outputs))
            .collect();
        // The common input of several plain weights, or of several packed ones, is packed once.
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

    /// Gradients of the weights and, if `wanted_input`, of the input [T, in], given the gradients
    /// of the outputs [T, out], the input and the low-rank projections. Those of adapters and
    /// biases are written to `additions`, a single tensor.
    pub fn backward(
        &self,
        outputs: &[&[f32]],
        x: &[f32],
        low: &[f32],
        wanted: &[bool],
        wanted_input: bool,
        additions: Option<&mut [f32]>,
    ) -> (Vec<Option<FlexTensor>>, Option<Values>) {
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
            let adapters = self.adapters().map(|(_, layer, _)| layer.b.len());
            let (adapters, biases) = additions.split_at_mut(self.a.len() + adapters.sum::<usize>());
            self.adapter_gradients(outputs, x, low, &d_low, adapters);
            self.bias_gradients(outputs, biases);
        }
        if let Some(dx) = &mut dx {
            self.add_adapters_input_gradient(&d_low, dx);
        }
        (weights, dx)
    }

    /// Σ dy · W [T, in] if wanted, and s · dy · B [T, R] unless that is empty. Each dy is packed
    /// once for both, except with int8 weights.
    fn multiply_back(&self, outputs: &[&[f32]], mut dx: Option<&mut [f32]>, d_low: &mut [f32]) {
        let mut columns = vec![None; self.layers.len()];
        self.adapters()
            .for_each(|(index, _, range)| columns[index] = Some(range));
        for (index, (dy, layer)) in outputs.iter().zip(&self.layers).enumerate() {
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

    /// dyᵀ · x of each wanted weight; an optional gradient for every possible layer.
    fn weight_gradients(
        &self,
        outputs: &[&[f32]],
        x: &[f32],
        wanted: &[bool],
    ) -> Vec<Option<FlexTensor>> {
        let mut gradients: Vec<Option<Values>> = (wanted.iter().enumerate())
            .map(|(index, wanted)| {
                let layer = self.layers.get(index).filter(|_| *wanted)?;
                Some(Values::take(layer.outputs * self.width))
            })
            .collect();
        let products: Vec<_> = (gradients.iter_mut().zip(outputs).zip(&self.layers))
            .filter_map(|((gradient, dy), layer)| {
                let dy = Matrix::dense(dy, self.tokens, layer.outputs).transposed();
                let gradient = gradient.as_mut()?;
                Some((dy, MatrixMut::dense(gradient, layer.outputs, self.width)))
            })
            .collect();
        if !products.is_empty() {
            gemm_sharing_right(products, self.input(x), Update::Overwrite, self.precision);
        }
        let shaped = |gradient: Values| {
            let outputs = gradient.len() / self.width.max(1);
            gradient.into_tensor([outputs, self.width])
        };
        gradients
            .into_iter()
            .map(|gradient| gradient.map(shaped))
            .collect()
    }

    /// Sums over the tokens, one bias after the other.
    fn bias_gradients(&self, outputs: &[&[f32]], mut biases: &mut [f32]) {
        for (dy, layer) in outputs.iter().zip(&self.layers) {
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

/// The sum of all rows of `all`, in the order of the rows, so that it does not depend on which
/// thread was faster.
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
