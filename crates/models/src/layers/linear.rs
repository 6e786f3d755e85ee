//! Linear layers: plain, with a LoRA adapter, packed for inference, or frozen with an adapter.

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::TensorData;
use kernels::{
    Adapter, Dropout, FrozenWeight, Input, Linears, PackedLinear, Precision, Projection,
    ProjectionWeight,
};

use super::{Lora, LoraConfig};
use crate::random_weights::uniform;

/// y = x·Wᵀ + b, and with an adapter y = x·Wᵀ + b + s·(dropout(x)·Aᵀ)·Bᵀ.
#[derive(Module, Debug)]
pub struct Linear {
    /// W [out, in]; empty if the layer is stored in another form.
    pub weight: Param<Tensor<2>>,
    /// b \[out\].
    pub bias: Option<Param<Tensor<1>>>,
    /// The low-rank adapter, if one is attached.
    pub lora: Option<Lora>,
    #[module(skip)]
    form: Form,
}

/// Storage form of the weights of a model's linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightForm {
    /// As parameters: they can be trained, saved and merged with adapters.
    #[default]
    Parameters,
    /// The fastest form for inference; nothing can be trained, saved or merged.
    Packed(Precision),
    /// The fastest form for training adapters; the weights themselves are neither trained nor
    /// merged. On devices other than the CPU, the same as parameters.
    Frozen(Precision),
}

/// Storage of a [`Linear`]'s weight.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a model has a few hundred layers"
)]
enum Form {
    /// In its parameter.
    Parameter,
    /// With its bias, packed for inference.
    Packed(PackedLinear),
    /// Packed for training adapters.
    Frozen(FrozenWeight),
}

impl Linear {
    /// A layer with weight [out, in] and bias `[out]`.
    pub fn new(weight: Param<Tensor<2>>, bias: Option<Param<Tensor<1>>>) -> Self {
        Self {
            weight,
            bias,
            lora: None,
            form: Form::Parameter,
        }
    }

    /// [T, in] → [T, out], without dropout.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(Input::Plain(x), None)
    }

    /// max([`Linear::apply`], 0) of x [T, in].
    pub fn apply_relu(&self, x: Tensor<2>, mask: Option<Dropout>) -> Tensor<2> {
        match self.packed_form() {
            Some(packed) => packed.forward_relu(x),
            None => kernels::relu(self.apply(Input::Plain(x), mask)),
        }
    }

    /// The layer's output [T, out]. An adapter reads `input` with dropout by `mask`, at the
    /// adapter's rate; without a mask there is no dropout.
    pub fn apply(&self, input: Input, mask: Option<Dropout>) -> Tensor<2> {
        let [output] = Self::each([self], input, mask).outputs;
        output
    }

    /// `residual` [T, out] + [`Linear::apply`].
    pub fn onto(&self, input: Input, residual: Tensor<2>, mask: Option<Dropout>) -> Tensor<2> {
        if let Some(packed) = self.packed_form() {
            return packed.forward_onto(input.computed(), residual);
        }
        let mask = Self::dropout([self], mask);
        let [output] = kernels::linears(input, [self.projection()], Some(residual), mask).outputs;
        output
    }

    /// [`Linear::onto`] for the result of a block, whose values nobody reads when the block runs
    /// again for its gradients.
    pub fn last_onto(&self, input: Input, residual: Tensor<2>, mask: Option<Dropout>) -> Tensor<2> {
        if let Some(packed) = self.packed_form() {
            return packed.forward_onto(input.computed(), residual);
        }
        let mask = Self::dropout([self], mask);
        kernels::linears::last(input, self.projection(), residual, mask)
    }

    /// [`Linear::apply`] of several layers with a common input, which is prepared once.
    ///
    /// # Panics
    /// If some of them are packed and others are not.
    pub fn each<const N: usize>(
        layers: [&Self; N],
        input: Input,
        mask: Option<Dropout>,
    ) -> Linears<N> {
        let packed = layers.map(Self::packed_form);
        if packed.iter().all(Option::is_some) {
            let packed = packed.map(|layer| layer.expect("all are packed"));
            let source = input.source().clone();
            let outputs = PackedLinear::forward_each(packed, input.computed());
            return Linears { outputs, source };
        }
        let mask = Self::dropout(layers, mask);
        kernels::linears(input, layers.map(Self::projection), None, mask)
    }

    /// `mask` with the dropout rate of the layers' adapters, which is the same throughout a model.
    fn dropout<const N: usize>(layers: [&Self; N], mask: Option<Dropout>) -> Option<Dropout> {
        let mut adapters = layers.iter().filter_map(|layer| layer.lora.as_ref());
        let share = adapters.next()?.dropout;
        mask.filter(|_| share > 0.0)
            .map(|mask| Dropout { share, ..mask })
    }

    /// The packed layer, if it is packed.
    pub(crate) fn packed_form(&self) -> Option<&PackedLinear> {
        match &self.form {
            Form::Packed(packed) => Some(packed),
            Form::Parameter | Form::Frozen(_) => None,
        }
    }

    /// Whether its weight is in its parameter, as required for saving and merging.
    pub fn holds_parameter(&self) -> bool {
        matches!(self.form, Form::Parameter)
    }

    /// [out, in], in any form.
    pub fn shape(&self) -> [usize; 2] {
        match &self.form {
            Form::Parameter => self.weight.dims(),
            Form::Packed(packed) => packed.shape(),
            Form::Frozen(weight) => weight.shape(),
        }
    }

    /// W from its parameter.
    fn held_weight(&self) -> Tensor<2> {
        assert!(self.holds_parameter(), "the weight was freed after packing");
        self.weight.val()
    }

    /// Freezes the layer `name` and attaches a new adapter: A uniform in ±1/√in, as initialised by
    /// PEFT (Kaiming with a = √5), B zero. The same seed gives the same A on every machine.
    pub fn with_lora(self, name: &str, config: &LoraConfig, seed: u64) -> Self {
        let [outputs, inputs] = self.shape();
        let device = self.weight.device();
        let bound = 1.0 / (inputs as f32).sqrt();
        let a = uniform(name, config.r * inputs, bound, seed);
        let a = Tensor::from_data(TensorData::new(a, [config.r, inputs]), &device);
        let b = Tensor::zeros([outputs, config.r], &device);
        self.with_adapter(a, b, config.scale(), config.lora_dropout)
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

    /// The layer without its adapter.
    pub fn without_adapter(self) -> Self {
        Self { lora: None, ..self }
    }

    /// The layer with its adapter, if any, merged into the weight: W + s·B·A.
    ///
    /// # Panics
    /// If it has one and its weight is not in its parameter.
    pub fn merged(self) -> Self {
        if self.lora.is_none() {
            return self;
        }
        // On a device that tracks gradients, a sum cannot be a parameter without being detached.
        let weight = self.effective_weight().detach();
        Self {
            weight: Param::from_tensor(weight),
            bias: self.bias,
            lora: None,
            form: Form::Parameter,
        }
    }

    /// The layer in the fastest form for inference. Its adapter is merged and the weight itself
    /// freed, so that it is in memory only once. Not differentiable.
    ///
    /// # Panics
    /// If its weight is not in its parameter.
    pub fn packed(self, format: Precision) -> Self {
        let bias = self.bias.as_ref().map(Param::val);
        let packed = PackedLinear::new(self.effective_weight(), bias, format);
        Self {
            lora: None,
            ..self.held_as(Form::Packed(packed))
        }
    }

    /// The layer, whose weight is not trained, in the fastest form for training adapters; the
    /// weight itself is freed. Nothing changes on devices other than the CPU, or if the layer is
    /// already in this form.
    ///
    /// # Panics
    /// If it is packed for inference.
    pub(crate) fn frozen(self, format: Precision) -> Self {
        if let Form::Frozen(_) = self.form {
            return self;
        }
        match FrozenWeight::new(self.held_weight(), format) {
            Some(weight) => self.held_as(Form::Frozen(weight)),
            None => self,
        }
    }

    /// The layer, just read, in this form; its adapter is merged unless the form is parameters.
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

    /// The layer in the form used in training.
    ///
    /// # Panics
    /// If it is packed for inference.
    fn projection(&self) -> Projection {
        Projection {
            weight: match &self.form {
                Form::Parameter => ProjectionWeight::Plain(self.weight.val()),
                Form::Frozen(weight) => ProjectionWeight::Frozen(weight.clone()),
                Form::Packed(_) => {
                    panic!("layers with a common input must all be packed, or none")
                }
            },
            bias: self.bias.as_ref().map(Param::val),
            adapter: self.lora.as_ref().map(|lora| Adapter {
                a: lora.lora_a.val(),
                b: lora.lora_b.val(),
                scale: lora.scale,
            }),
        }
    }

    /// W, including the adapter if there is one.
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
