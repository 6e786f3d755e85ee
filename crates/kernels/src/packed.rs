//! Linear layers whose weight never changes: packed once, read at memory speed.

use std::sync::Arc;

use burn::Tensor;
use burn::backend::Flex;

use crate::Precision;
use crate::cpu::gemm::{Matrix, MatrixMut, PackedMatrix, Threads, Update};
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
        let device = x.device();
        let x = plain(x);
        let product = match &self.form {
            Form::Portable(weight) => x.matmul(weight.as_ref().clone().transpose()),
            Form::Host(weight) => {
                let x = x
                    .try_into_primitive::<Flex>()
                    .expect("input and weight live on the same device");
                let x = contiguous(&x);
                let [tokens, width] = dims(&x);
                let mut output = Values::take(tokens * weight.columns());
                weight.multiply(
                    Matrix::dense(values(&x), tokens, width),
                    MatrixMut::dense(&mut output, tokens, weight.columns()),
                    Update::Overwrite,
                    Threads::All,
                );
                Tensor::from_primitive::<Flex>(output.into_tensor([tokens, weight.columns()]))
            }
        };
        let output = match &self.bias {
            Some(bias) => product + bias.clone().unsqueeze(),
            None => product,
        };
        if device.is_autodiff() {
            Tensor::from_inner(output)
        } else {
            output
        }
    }
}

/// The tensor without autodiff.
fn plain<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() {
        tensor.inner()
    } else {
        tensor
    }
}
