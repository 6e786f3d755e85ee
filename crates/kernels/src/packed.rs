//! Linear layers whose weight never changes: packed once, read at memory speed.

use std::sync::Arc;

use burn::Tensor;
use burn::backend::Flex;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::Precision;
use crate::cpu::gemm::{Matrix, MatrixMut, PackedMatrix, Threads, Update};
use crate::cpu::parallel::{for_each_simd, rows_per_task};
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;

/// How a [`PackedLinear`] holds its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightFormat {
    /// 4 bytes a weight, exact.
    #[default]
    F32,
    /// 2 bytes a weight; weight and input are rounded to bfloat16, sums are f32.
    Bf16,
}

/// A frozen linear layer for inference; clones share the weight.
///
/// Decoding reads every weight for each token, so its speed is the memory's: the smaller the
/// format, the faster. With AVX-512 a row's result does not depend on how many rows come with it.
#[derive(Debug, Clone)]
pub struct PackedLinear {
    form: Form,
    bias: Option<Tensor<1>>,
}

#[derive(Debug, Clone)]
enum Form {
    /// On the CPU.
    Host(Arc<PackedMatrix>),
    /// On any device.
    Portable(Box<Tensor<2>>),
}

impl PackedLinear {
    /// Packs `weight` [out, in] and `bias` `[out]`. Drop the weight afterwards to have it in memory
    /// once.
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>, format: WeightFormat) -> Self {
        let weight = plain(weight);
        let bias = bias.map(plain);
        if !is_fast(&weight) {
            let form = Form::Portable(Box::new(weight));
            return Self { form, bias };
        }
        let weight = weight
            .try_into_primitive::<Flex>()
            .expect("a CPU tensor without autodiff");
        let weight = contiguous(&weight);
        let [out, width] = dims(&weight);
        let precision = match format {
            WeightFormat::F32 => Precision::F32,
            WeightFormat::Bf16 => Precision::Bf16,
        };
        let columns = Matrix::dense(values(&weight), out, width).transposed();
        let form = Form::Host(Arc::new(PackedMatrix::new(columns, precision)));
        Self { form, bias }
    }

    /// Applies the layer: [T, in] → [T, out]. Not differentiable: the result carries no gradient.
    ///
    /// # Panics
    /// If the width of `x` is not the layer's.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x, None)
    }

    /// [`PackedLinear::forward`] plus `residual` [T, out]: the product is summed onto it, which
    /// saves two passes over the output.
    ///
    /// # Panics
    /// If the width of `x` is not the layer's, or `residual` is not of the output's shape.
    pub fn forward_onto(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        self.apply(x, Some(residual))
    }

    fn apply(&self, x: Tensor<2>, residual: Option<Tensor<2>>) -> Tensor<2> {
        let device = x.device();
        let (x, residual) = (plain(x), residual.map(plain));
        let output = match &self.form {
            Form::Portable(weight) => {
                let mut output = x.matmul(weight.as_ref().clone().transpose());
                if let Some(bias) = &self.bias {
                    output = output + bias.clone().unsqueeze();
                }
                match residual {
                    Some(residual) => residual + output,
                    None => output,
                }
            }
            Form::Host(weight) => {
                let (x, residual) = (host(x), residual.map(host));
                let [tokens, width] = dims(&x);
                let shape = [tokens, weight.columns()];
                let mut output = Values::take(shape[0] * shape[1]);
                let bias = self.bias.clone().map(host);
                let update = start(&mut output, shape, residual.as_ref(), bias.as_ref());
                weight.multiply(
                    Matrix::dense(values(&x), tokens, width),
                    MatrixMut::dense(&mut output, shape[0], shape[1]),
                    update,
                    Threads::All,
                );
                Tensor::from_primitive::<Flex>(output.into_tensor(shape))
            }
        };
        if device.is_autodiff() {
            Tensor::from_inner(output)
        } else {
            output
        }
    }
}

/// Writes what the product is added to, if there is anything: residual and bias.
fn start(
    output: &mut Values,
    shape @ [_, width]: [usize; 2],
    residual: Option<&FlexTensor>,
    bias: Option<&FlexTensor>,
) -> Update {
    if residual.is_none() && bias.is_none() || width == 0 {
        return Update::Overwrite;
    }
    if let Some(residual) = residual {
        assert_eq!(dims(residual), shape, "shape of the residual");
    }
    let rows = rows_per_task(width) * width;
    output
        .par_chunks_mut(rows)
        .enumerate()
        .for_each(|(task, output)| {
            let first = task * rows;
            match (residual.map(values), bias.map(values)) {
                (Some(residual), Some(bias)) => {
                    add_rows(&residual[first..][..output.len()], bias, output);
                }
                (Some(residual), None) => {
                    output.copy_from_slice(&residual[first..][..output.len()]);
                }
                (None, Some(bias)) => {
                    for row in output.chunks_exact_mut(width) {
                        row.copy_from_slice(bias);
                    }
                }
                (None, None) => unreachable!("there is something to add to"),
            }
        });
    Update::Add
}

for_each_simd! {
    /// Rows of `x` plus one row `shift`.
    fn add_rows(x: &[f32], shift: &[f32], y: &mut [f32]) {
        let width = shift.len();
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            for ((y, x), shift) in y.iter_mut().zip(x).zip(shift) {
                *y = x + shift;
            }
        }
    }
}

/// The values of a tensor of the CPU.
fn host<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let tensor = tensor
        .try_into_primitive::<Flex>()
        .expect("input and weight live on the same device");
    contiguous(&tensor)
}

/// The tensor without autodiff.
fn plain<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() {
        tensor.inner()
    } else {
        tensor
    }
}
