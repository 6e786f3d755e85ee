//! Linear layers with constant weights: packed once, read at memory speed.

use std::ops::Range;
use std::sync::Arc;

use burn::Tensor;
use burn::backend::Flex;
use burn::tensor::activation::relu;
use burn::tensor::{Int, TensorData};

use crate::Precision;
use crate::cpu::gemm::{Finish, Matrix, MatrixMut, PackedMatrix, Threads, Update};
use crate::flex::{constant_on, dims, host, is_fast, owned, plain, primitive, values};
use crate::pool::Values;

/// A frozen linear layer for inference; clones share the weight.
///
/// Decoding reads every weight for each token, so it is limited by memory bandwidth: the smaller
/// the format, the faster. With AVX-512, the result of a row does not depend on the number of rows
/// computed with it. Nothing here is differentiable: results carry no gradient.
#[derive(Debug, Clone)]
pub struct PackedLinear {
    form: Form,
}

#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a model has a few hundred layers, and only tensors of other devices are large"
)]
enum Form {
    /// On the CPU.
    Host {
        weight: Arc<PackedMatrix>,
        bias: Option<Arc<[f32]>>,
    },
    /// On any device.
    Portable {
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
    },
}

impl PackedLinear {
    /// Packs `weight` [out, in] and `bias` `[out]`. Drop the weight afterwards, so that it is in
    /// memory only once.
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>, format: Precision) -> Self {
        let weight = plain(weight);
        let bias = bias.map(plain);
        if !is_fast(&weight) {
            let form = Form::Portable { weight, bias };
            return Self { form };
        }
        let bias = bias.map(|bias| values(&primitive(bias)).into());
        let weight = primitive(weight);
        let [out, width] = dims(&weight);
        let rows = Matrix::dense(values(&weight), out, width);
        let weight = Arc::new(match format.of_weight() {
            Some(precision) => PackedMatrix::new(rows.transposed(), precision),
            None => PackedMatrix::int8(rows),
        });
        let form = Form::Host { weight, bias };
        Self { form }
    }

    /// Applies the layer: [T, in] → [T, out].
    ///
    /// # Panics
    /// If the width of `x` is not the layer's.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x, None, false)
    }

    /// max([`PackedLinear::forward`], 0).
    ///
    /// # Panics
    /// If the width of `x` is not the layer's.
    pub fn forward_relu(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x, None, true)
    }

    /// `residual` [T, out] + [`PackedLinear::forward`], in place if nobody else holds the residual.
    ///
    /// # Panics
    /// If the shapes do not agree.
    pub fn forward_onto(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        self.apply(x, Some(residual), false)
    }

    /// [`PackedLinear::forward`] of several layers with a common input, which is rounded and packed
    /// once.
    ///
    /// # Panics
    /// If the width of `x` differs from that of a layer, or the layers differ in format.
    pub fn forward_each<const N: usize>(layers: [&Self; N], x: Tensor<2>) -> [Tensor<2>; N] {
        let hosts = layers.map(Self::host);
        if N == 0 || hosts.iter().any(Option::is_none) {
            return layers.map(|layer| layer.forward(x.clone()));
        }
        let hosts = hosts.map(|host| host.expect("all are on the CPU"));
        let device = x.device();
        let x = primitive(plain(x));
        let [tokens, width] = dims(&x);
        let x = Matrix::dense(values(&x), tokens, width);
        let left = hosts[0].0.prepare(x, Threads::All);
        hosts.map(|(weight, bias)| {
            let columns = weight.columns();
            let mut output = Values::take(tokens * columns);
            let c = MatrixMut::dense(&mut output, tokens, columns);
            let finish = finish_of(bias, 0..columns);
            weight.multiply_columns(&left, 0..columns, c, finish, Threads::All);
            let output = output.into_tensor([tokens, columns]);
            constant_on(&device, Tensor::from_primitive::<Flex>(output))
        })
    }

    /// [out, in].
    pub fn shape(&self) -> [usize; 2] {
        match &self.form {
            Form::Host { weight, .. } => [weight.columns(), weight.depth()],
            Form::Portable { weight, .. } => weight.dims(),
        }
    }

    fn apply(&self, x: Tensor<2>, residual: Option<Tensor<2>>, cut: bool) -> Tensor<2> {
        let device = x.device();
        let x = plain(x);
        let residual = residual.map(plain);
        let output = match &self.form {
            Form::Portable { weight, bias } => {
                let mut output = x.matmul(weight.clone().transpose());
                if let Some(bias) = bias {
                    output = output + bias.clone().unsqueeze();
                }
                if let Some(residual) = residual {
                    output = output + residual;
                }
                if cut { relu(output) } else { output }
            }
            Form::Host { weight, bias } => {
                let x = primitive(x);
                let [tokens, width] = dims(&x);
                let shape = [tokens, weight.columns()];
                let mut finish = Finish {
                    update: Update::Overwrite,
                    bias: bias.as_deref(),
                    relu: cut,
                };
                let x = Matrix::dense(values(&x), tokens, width);
                let output = match residual {
                    None => {
                        let mut output = Values::take(shape[0] * shape[1]);
                        let c = MatrixMut::dense(&mut output, shape[0], shape[1]);
                        weight.multiply(x, c, finish, Threads::All);
                        output.into_tensor(shape)
                    }
                    Some(residual) => {
                        assert_eq!(residual.dims(), shape, "shape of the residual");
                        finish.update = Update::Add;
                        let mut output = owned(host(residual));
                        let c = output.storage_mut::<f32>();
                        let c = MatrixMut::dense(c, shape[0], shape[1]);
                        weight.multiply(x, c, finish, Threads::All);
                        output
                    }
                };
                Tensor::from_primitive::<Flex>(output)
            }
        };
        constant_on(&device, output)
    }

    /// Rows `ids` of the weight as used in products, [T, in], for an output layer that is also the
    /// token table.
    ///
    /// # Panics
    /// If an id is not below the size of the output.
    pub fn rows(&self, ids: &[u32]) -> Tensor<2> {
        match &self.form {
            Form::Portable { weight, .. } => {
                let indices: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
                let indices = TensorData::new(indices, [ids.len()]);
                let indices = Tensor::<1, Int>::from_data(indices, &weight.device());
                weight.clone().select(0, indices)
            }
            Form::Host { weight, .. } => {
                let width = weight.depth();
                let mut output = Values::take(ids.len() * width);
                for (row, &id) in output.chunks_exact_mut(width.max(1)).zip(ids) {
                    let outputs = weight.columns();
                    assert!((id as usize) < outputs, "row {id} of {outputs}");
                    weight.column(id as usize, row);
                }
                Tensor::from_primitive::<Flex>(output.into_tensor([ids.len(), width]))
            }
        }
    }

    /// The packed weight and the bias, if on the CPU.
    pub(crate) fn host(&self) -> Option<(&PackedMatrix, Option<&[f32]>)> {
        match &self.form {
            Form::Host { weight, bias } => Some((weight, bias.as_deref())),
            Form::Portable { .. } => None,
        }
    }
}

/// The finish of columns `range` of a layer with this bias.
pub(crate) fn finish_of(bias: Option<&[f32]>, range: Range<usize>) -> Finish<'_> {
    Finish {
        update: Update::Overwrite,
        bias: bias.map(|bias| &bias[range]),
        relu: false,
    }
}
