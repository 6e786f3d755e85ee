//! Linear layers: plain, with a LoRA adapter, packed for inference or frozen beside an adapter.

use burn::module::{Module, Param};
use burn::tensor::{Distribution, TensorData};
use burn::{Tensor, tensor::Device};
use kernels::{Adapter, FrozenWeight, PackedLinear, Projection, ProjectionWeight, WeightFormat};

use crate::checkpoint::{Checkpoint, CheckpointError};

/// y = x·Wᵀ + b, and with an adapter y = x·Wᵀ + b + s·(dropout(x)·Aᵀ)·Bᵀ.
#[derive(Module, Debug)]
pub struct Linear {
    /// W [out, in]; empty where the layer is held in another form.
    pub weight: Param<Tensor<2>>,
    /// b \[out\].
    pub bias: Option<Param<Tensor<1>>>,
    /// The low-rank adapter, if one is attached.
    pub lora: Option<Lora>,
    #[module(skip)]
    form: Form,
}

/// How a model is to hold the weights of its blocks' linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightForm {
    /// As parameters: they can be trained, saved and merged with adapters.
    #[default]
    Parameters,
    /// As inference reads them fastest; nothing can be trained, saved or merged.
    Packed(WeightFormat),
    /// As adapters beside them are trained fastest; the weights themselves are neither trained nor
    /// merged. As parameters on devices other than the CPU.
    Frozen(WeightFormat),
}

/// How a [`Linear`] holds its weight.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a model has a few hundred layers"
)]
enum Form {
    /// In its parameter.
    Parameter,
    /// With its bias, as inference reads it.
    Packed(PackedLinear),
    /// As training with adapters multiplies by it.
    Frozen(FrozenWeight),
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
            form: Form::Parameter,
        })
    }

    /// [T, in] → [T, out].
    ///
    /// # Panics
    /// If the layer is in [`WeightForm::Frozen`].
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if let Some(packed) = self.packed_form() {
            return packed.forward(x);
        }
        let bias = self.bias.as_ref().map(Param::val);
        let base = kernels::linear(x.clone(), self.held_weight(), bias);
        match &self.lora {
            Some(lora) => base + lora.forward(x),
            None => base,
        }
    }

    /// max([`Linear::forward`], 0).
    pub fn forward_relu(&self, x: Tensor<2>) -> Tensor<2> {
        match self.packed_form() {
            Some(packed) => packed.forward_relu(x),
            None => kernels::relu(self.forward(x)),
        }
    }

    /// `residual` [T, out] + [`Linear::forward`].
    pub fn forward_onto(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        match self.packed_form() {
            Some(packed) => packed.forward_onto(x, residual),
            None => residual + self.forward(x),
        }
    }

    /// [`Linear::forward`] of several layers that read the same input: packed ones prepare it once.
    pub fn forward_each<const N: usize>(layers: [&Self; N], x: Tensor<2>) -> [Tensor<2>; N] {
        let packed = layers.map(Self::packed_form);
        if packed.iter().all(Option::is_some) {
            return PackedLinear::forward_each(packed.map(|layer| layer.expect("packed")), x);
        }
        layers.map(|layer| layer.forward(x.clone()))
    }

    /// The layer as inference reads it, if it is packed.
    pub(crate) fn packed_form(&self) -> Option<&PackedLinear> {
        match &self.form {
            Form::Packed(packed) => Some(packed),
            Form::Parameter | Form::Frozen(_) => None,
        }
    }

    /// Whether its weight is in its parameter, as saving and merging need it.
    pub fn holds_parameter(&self) -> bool {
        matches!(self.form, Form::Parameter)
    }

    /// [out, in], in whatever form.
    pub fn shape(&self) -> [usize; 2] {
        match &self.form {
            Form::Parameter => self.weight.dims(),
            Form::Packed(packed) => packed.shape(),
            Form::Frozen(weight) => weight.shape(),
        }
    }

    /// W out of its parameter.
    fn held_weight(&self) -> Tensor<2> {
        assert!(
            self.holds_parameter(),
            "the weight was let go once it was packed"
        );
        self.weight.val()
    }

    /// Freezes the layer and attaches an adapter of `rank`: A uniform in ±1/√in as PEFT
    /// initialises it (Kaiming with a = √5), B zero.
    pub fn with_lora(self, rank: usize, scale: f64, dropout: f64) -> Self {
        let [outputs, inputs] = self.shape();
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

    /// The layer with its adapter, if it has one, added into the weight: W + s·B·A.
    ///
    /// # Panics
    /// If it has one and its weight is not in its parameter.
    pub fn merged(self) -> Self {
        if self.lora.is_none() {
            return self;
        }
        let weight = self.effective_weight();
        Self {
            weight: Param::from_tensor(weight),
            bias: self.bias,
            lora: None,
            form: Form::Parameter,
        }
    }

    /// The layer as inference reads it fastest; its adapter is merged and the weight itself let
    /// go, so that it is in memory once. Not differentiable.
    ///
    /// # Panics
    /// If its weight is not in its parameter.
    pub fn packed(self, format: WeightFormat) -> Self {
        let bias = self.bias.as_ref().map(Param::val);
        let packed = PackedLinear::new(self.effective_weight(), bias, format);
        Self {
            lora: None,
            ..self.held_as(Form::Packed(packed))
        }
    }

    /// The layer, whose weight is not to be trained, as training with adapters multiplies by it;
    /// the weight itself is let go. Only a decoder block can compute it then. Nothing changes on
    /// devices other than the CPU, nor where it was done before.
    ///
    /// # Panics
    /// If it is packed for inference.
    pub(crate) fn frozen(self, format: WeightFormat) -> Self {
        if let Form::Frozen(_) = self.form {
            return self;
        }
        match FrozenWeight::new(self.held_weight(), format) {
            Some(weight) => self.held_as(Form::Frozen(weight)),
            None => self,
        }
    }

    /// The layer, just read, in this form; its adapter is merged for all but the first.
    pub(crate) fn held_in(self, form: WeightForm) -> Self {
        match form {
            WeightForm::Parameters => self,
            WeightForm::Packed(format) => self.packed(format),
            WeightForm::Frozen(format) => self.merged().freeze().frozen(format),
        }
    }

    fn held_as(self, form: Form) -> Self {
        let nothing = Tensor::zeros([0, 0], &self.weight.device());
        Self {
            weight: Param::from_tensor(nothing).set_require_grad(false),
            form,
            ..self
        }
    }

    /// The layer as a decoder block multiplies by it; nothing for inference.
    pub(crate) fn projection(&self) -> Option<Projection> {
        Some(Projection {
            weight: match &self.form {
                Form::Parameter => ProjectionWeight::Plain(self.weight.val()),
                Form::Frozen(weight) => ProjectionWeight::Frozen(weight.clone()),
                Form::Packed(_) => return None,
            },
            bias: self.bias.as_ref().map(Param::val),
            adapter: self.lora.as_ref().map(|lora| Adapter {
                a: lora.lora_a.val(),
                b: lora.lora_b.val(),
                scale: lora.scale,
            }),
        })
    }

    /// W, with the adapter added where there is one.
    ///
    /// # Panics
    /// If its weight is not in its parameter.
    pub fn effective_weight(&self) -> Tensor<2> {
        let weight = self.held_weight();
        match &self.lora {
            Some(lora) => weight + lora.lora_b.val().matmul(lora.lora_a.val()) * lora.scale,
            None => weight,
        }
    }
}

impl Lora {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
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
