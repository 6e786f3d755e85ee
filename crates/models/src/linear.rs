//! Linear layers, plain, with a LoRA adapter, or packed for inference.

use burn::module::{Module, Param};
use burn::tensor::{Distribution, TensorData};
use burn::{Tensor, tensor::Device};
use kernels::{Adapter, Dropout, FrozenWeight, PackedLinear, Precision, Projection, WeightFormat};

use crate::checkpoint::{Checkpoint, CheckpointError};

/// y = x·Wᵀ + b, and with an adapter y = x·Wᵀ + b + s·(dropout(x)·Aᵀ)·Bᵀ.
#[derive(Module, Debug)]
pub struct Linear {
    /// W [out, in].
    pub weight: Param<Tensor<2>>,
    /// b \[out\].
    pub bias: Option<Param<Tensor<1>>>,
    /// The low-rank adapter, if one is attached.
    pub lora: Option<Lora>,
    /// The layer as inference reads it. Never present in a model that is trained.
    #[module(skip)]
    packed: Option<PackedLinear>,
    /// The weight as training with adapters multiplies by it. Never present in a copy for inference.
    #[module(skip)]
    frozen: Option<FrozenWeight>,
}

/// A low-rank adapter (Hu et al. 2021, arXiv 2106.09685): adds s·B·A to a frozen weight.
///
/// PEFT stores the matrices as `lora_A.weight` and `lora_B.weight`.
#[derive(Module, Debug)]
pub struct Lora {
    /// A [r, in].
    pub lora_a: Param<Tensor<2>>,
    /// B [out, r]; zero at the start, so that an adapter changes nothing before it is trained.
    pub lora_b: Param<Tensor<2>>,
    /// s = α / r, or α / √r with rank-stabilised scaling.
    pub scale: f64,
    /// Share of the inputs of A that is dropped while A is trained.
    pub dropout: f64,
}

impl Linear {
    /// Reads `{name}.weight`, \[outputs, inputs\], and with `bias` also `{name}.bias`, \[outputs\].
    pub fn load(
        checkpoint: &dyn Checkpoint,
        name: &str,
        [outputs, inputs]: [usize; 2],
        bias: bool,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let bias = match bias {
            true => Some(parameter(
                checkpoint,
                &format!("{name}.bias"),
                [outputs],
                device,
            )?),
            false => None,
        };
        let weight = parameter(
            checkpoint,
            &format!("{name}.weight"),
            [outputs, inputs],
            device,
        )?;
        Ok(Self {
            weight,
            bias,
            lora: None,
            packed: None,
            frozen: None,
        })
    }

    /// [T, in] → [T, out].
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward_with_dropout(x, None)
    }

    /// [`Linear::forward`] with dropout of what the adapter reads.
    pub fn forward_with_dropout(&self, x: Tensor<2>, dropout: Option<Dropout>) -> Tensor<2> {
        if let Some(packed) = &self.packed {
            return packed.forward(x);
        }
        let bias = self.bias.as_ref().map(Param::val);
        let base = kernels::linear(x.clone(), self.weight.val(), bias);
        match &self.lora {
            Some(lora) => base + lora.forward(x, dropout),
            None => base,
        }
    }

    /// max([`Linear::forward`], 0).
    pub fn forward_relu(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.packed {
            Some(packed) => packed.forward_relu(x),
            None => kernels::relu(self.forward(x)),
        }
    }

    /// `residual` [T, out] + [`Linear::forward_with_dropout`].
    pub fn forward_onto(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        dropout: Option<Dropout>,
    ) -> Tensor<2> {
        match &self.packed {
            Some(packed) => packed.forward_onto(x, residual),
            None => residual + self.forward_with_dropout(x, dropout),
        }
    }

    /// [`Linear::forward_with_dropout`] of several layers that read the same input: packed ones
    /// prepare it once.
    pub fn forward_each<const N: usize>(
        layers: [&Self; N],
        x: Tensor<2>,
        dropout: Option<Dropout>,
    ) -> [Tensor<2>; N] {
        let packed = layers.map(|layer| layer.packed.as_ref());
        if packed.iter().all(Option::is_some) {
            return PackedLinear::forward_each(packed.map(|layer| layer.expect("packed")), x);
        }
        layers.map(|layer| layer.forward_with_dropout(x.clone(), dropout))
    }

    /// The layer as inference reads it, if it is packed.
    pub(crate) fn packed_form(&self) -> Option<&PackedLinear> {
        self.packed.as_ref()
    }

    /// [out, in], of a packed layer too.
    pub fn shape(&self) -> [usize; 2] {
        match &self.packed {
            Some(packed) => packed.shape(),
            None => self.weight.dims(),
        }
    }

    /// Freezes the layer and attaches an adapter of `rank`: A uniform in ±1/√in as PEFT
    /// initialises it (Kaiming with a = √5), B zero.
    pub fn with_lora(self, rank: usize, scale: f64, dropout: f64) -> Self {
        let [outputs, inputs] = self.weight.dims();
        let device = self.weight.device();
        let bound = 1.0 / (inputs as f64).sqrt();
        let a = Tensor::random(
            [rank, inputs],
            Distribution::Uniform(-bound, bound),
            &device,
        );
        let b = Tensor::zeros([outputs, rank], &device);
        self.with_adapter(a, b, scale, dropout)
    }

    /// Freezes the layer and attaches the adapter of `a` [r, in] and `b` [out, r].
    pub fn with_adapter(self, a: Tensor<2>, b: Tensor<2>, scale: f64, dropout: f64) -> Self {
        let lora = Lora {
            lora_a: Param::from_tensor(a),
            lora_b: Param::from_tensor(b),
            scale,
            dropout,
        };
        Self {
            lora: Some(lora),
            ..self.freeze()
        }
    }

    /// The layer with its adapter added into the weight: W + s·B·A.
    pub fn merged(self) -> Self {
        let weight = self.effective_weight();
        Self {
            weight: Param::from_tensor(weight),
            bias: self.bias,
            lora: None,
            packed: None,
            frozen: None,
        }
    }

    /// The layer as inference reads it fastest; its adapter is merged and the weight itself let
    /// go, so that it is in memory once. Not differentiable.
    pub fn packed(self, format: WeightFormat) -> Self {
        let bias = self.bias.as_ref().map(Param::val);
        let packed = PackedLinear::new(self.effective_weight(), bias, format);
        let nothing = Tensor::zeros([0, 0], &self.weight.device());
        Self {
            weight: Param::from_tensor(nothing),
            bias: self.bias,
            lora: None,
            packed: Some(packed),
            frozen: None,
        }
    }

    /// The layer, which is not to be trained, with its weight packed for products in `precision`
    /// besides.
    pub(crate) fn with_frozen_weight(self, precision: Precision) -> Self {
        let frozen = FrozenWeight::new(self.weight.val(), precision);
        Self { frozen, ..self }
    }

    /// The layer as a decoder block multiplies by it; nothing with a bias, or for inference.
    pub(crate) fn projection(&self) -> Option<Projection> {
        if self.bias.is_some() || self.packed.is_some() {
            return None;
        }
        let trained = self.weight.is_require_grad();
        Some(Projection {
            weight: self.weight.val(),
            frozen: self.frozen.clone().filter(|_| !trained),
            adapter: self.lora.as_ref().map(|lora| Adapter {
                a: lora.lora_a.val(),
                b: lora.lora_b.val(),
                scale: lora.scale,
            }),
        })
    }

    /// W, with the adapter added where there is one.
    pub fn effective_weight(&self) -> Tensor<2> {
        let weight = self.weight.val();
        match &self.lora {
            Some(lora) => weight + lora.lora_b.val().matmul(lora.lora_a.val()) * lora.scale,
            None => weight,
        }
    }
}

impl Lora {
    fn forward(&self, x: Tensor<2>, dropout: Option<Dropout>) -> Tensor<2> {
        let x = match dropout {
            Some(dropout) => kernels::drop_out(x, dropout),
            None => x,
        };
        let low = kernels::linear(x, self.lora_a.val(), None);
        kernels::linear(low, self.lora_b.val(), None) * self.scale
    }
}

/// Reads one tensor as a trainable parameter.
pub(crate) fn parameter<const D: usize>(
    checkpoint: &dyn Checkpoint,
    name: &str,
    shape: [usize; D],
    device: &Device,
) -> Result<Param<Tensor<D>>, CheckpointError> {
    let values = checkpoint.tensor(name, &shape)?;
    Ok(Param::from_tensor(Tensor::from_data(
        TensorData::new(values, shape),
        device,
    )))
}
