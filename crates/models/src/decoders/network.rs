//! Any decoder, for training, scoring and generation.

use burn::Tensor;
use burn::module::Module;
use burn::tensor::Device;
use kernels::{KvCache, PackedLinear, Precision, Segments, Slot};

use super::{Body, Config};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::layers::{
    Attention, Context, Embedding, Linear, MapLayer, NamedLinears, Parts, Pass, WeightForm,
};
use crate::random_weights::RandomWeights;

/// The network of a language model.
#[derive(Module, Debug)]
pub struct Network {
    body: Body,
    #[module(skip)]
    config: Config,
    /// Whether blocks store only their input for the backward pass.
    #[module(skip)]
    recompute: bool,
    /// The output layer in the form used for inference.
    #[module(skip)]
    packed_output: Option<PackedLinear>,
    /// Whether it was read with its output layer.
    #[module(skip)]
    has_output: bool,
}

const NO_OUTPUT: &str = "a network that was read for its hidden states has no output layer";

impl Network {
    /// Reads a model with this configuration. Missing tensors, wrong shapes and unknown tensors are
    /// errors.
    pub fn load(
        config: &Config,
        checkpoint: &dyn Checkpoint,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let keep = &mut |_: &str, layer| Ok(layer);
        Self::load_mapped(config, checkpoint, device, keep, Parts::Whole)
    }

    /// [`Network::load`] with the blocks' weights converted to `form` as soon as they are read.
    pub fn load_as(
        config: &Config,
        checkpoint: &dyn Checkpoint,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, CheckpointError> {
        Self::load_parts(config, checkpoint, device, form, Parts::Whole)
    }

    fn load_parts(
        config: &Config,
        checkpoint: &dyn Checkpoint,
        device: &Device,
        form: WeightForm,
        parts: Parts,
    ) -> Result<Self, CheckpointError> {
        let hold = &mut |_: &str, layer: Linear| Ok(layer.held_in(form));
        let network = Self::load_mapped(config, checkpoint, device, hold, parts)?;
        Ok(network.with_output_in(form))
    }

    /// [`Network::load`] with each linear layer of a block replaced as soon as it is read; the
    /// closure receives its full name.
    pub(crate) fn load_mapped(
        config: &Config,
        checkpoint: &dyn Checkpoint,
        device: &Device,
        map: &mut MapLayer<'_>,
        parts: Parts,
    ) -> Result<Self, CheckpointError> {
        Ok(Self {
            body: config.load(checkpoint, device, map, parts)?,
            config: config.clone(),
            recompute: false,
            packed_output: None,
            has_output: parts == Parts::Whole,
        })
    }

    /// A network with weights from N(0, 0.02²), gains of 1 and biases of 0, as initialised by
    /// Transformers, converted to `form` as soon as they are drawn. The same seed gives the same
    /// weights on every machine.
    pub fn random(config: &Config, seed: u64, device: &Device, form: WeightForm) -> Self {
        Self::random_parts(config, seed, device, form, Parts::Whole)
    }

    /// [`Network::random`] for its hidden states alone: without its output layer.
    pub fn random_states(config: &Config, seed: u64, device: &Device, form: WeightForm) -> Self {
        Self::random_parts(config, seed, device, form, Parts::States)
    }

    fn random_parts(
        config: &Config,
        seed: u64,
        device: &Device,
        form: WeightForm,
        parts: Parts,
    ) -> Self {
        let network = Self::load_parts(config, &RandomWeights { seed }, device, form, parts);
        network.unwrap_or_else(|error| unreachable!("random weights have every shape: {error}"))
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The token table [V, C].
    pub fn token_table(&self) -> &Embedding {
        self.body.decoder().token_table()
    }

    /// Last hidden states of whole sequences: T ids → [T, C]. Differentiable; no cache, no dropout.
    ///
    /// # Panics
    /// If an id is not below V.
    pub fn forward(&self, ids: &[u32], segments: &Segments) -> Tensor<2> {
        self.forward_attending(ids, segments, Attention::Causal, None)
    }

    /// [`Network::forward`] with this attention, and with the dropout of the adapters if there is a
    /// seed. A mask is a function of the seed and of its place in the model; layers with a common
    /// input share it.
    pub fn forward_attending(
        &self,
        ids: &[u32],
        segments: &Segments,
        attention: Attention,
        dropout_seed: Option<u64>,
    ) -> Tensor<2> {
        let positions = segments.positions();
        let embedded = self.body.decoder().embed(ids, &positions);
        self.forward_whole(embedded, segments, positions, attention, dropout_seed)
    }

    /// [`Network::forward_attending`] of states [T, C] in place of token embeddings. Nothing is
    /// scaled; a model with learned positions adds them.
    pub fn forward_embedded(
        &self,
        states: Tensor<2>,
        segments: &Segments,
        attention: Attention,
        dropout_seed: Option<u64>,
    ) -> Tensor<2> {
        let positions = segments.positions();
        let embedded = self.body.decoder().embed_states(states, &positions);
        self.forward_whole(embedded, segments, positions, attention, dropout_seed)
    }

    /// [`Network::forward`] with the dropout of the adapters.
    pub fn forward_with_dropout(&self, ids: &[u32], segments: &Segments, seed: u64) -> Tensor<2> {
        self.forward_attending(ids, segments, Attention::Causal, Some(seed))
    }

    fn forward_whole(
        &self,
        embedded: Tensor<2>,
        segments: &Segments,
        positions: Vec<u32>,
        attention: Attention,
        dropout_seed: Option<u64>,
    ) -> Tensor<2> {
        let context = Context {
            attention,
            dropout_seed,
            ..self.context(segments, positions)
        };
        let mut pass = Pass {
            context,
            recompute: self.recompute,
            cache: None,
        };
        self.body.decoder().forward(embedded, &mut pass)
    }

    /// Last hidden states of new tokens: segment i continues sequence `slots[i]` of the cache
    /// (whole prompts and single tokens in any combination). Not differentiable.
    pub fn forward_cached(
        &self,
        ids: &[u32],
        segments: &Segments,
        cache: &mut KvCache,
        slots: &[Slot],
    ) -> Tensor<2> {
        let positions = cache.positions(segments, slots);
        let embedded = self.body.decoder().embed(ids, &positions);
        let mut pass = Pass {
            context: self.context(segments, positions),
            recompute: false,
            cache: Some((cache, slots)),
        };
        self.body.decoder().forward(embedded, &mut pass)
    }

    fn context(&self, segments: &Segments, positions: Vec<u32>) -> Context {
        let tables = self.body.decoder().rotary().iter();
        Context {
            segments: segments.clone(),
            rotary: tables.map(|table| table.covering(&positions)).collect(),
            positions: positions.into(),
            attention: Attention::Causal,
            dropout_seed: None,
        }
    }

    /// Logits [T, V] of hidden states [T, C].
    ///
    /// # Panics
    /// If it was read without its output layer.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        assert!(self.has_output, "{NO_OUTPUT}");
        let decoder = self.body.decoder();
        match (&self.packed_output, decoder.output_layer()) {
            (Some(packed), _) => packed.forward(hidden),
            (None, Some(layer)) => layer.forward(hidden),
            (None, None) => kernels::linear(hidden, decoder.token_table().weight.val(), None),
        }
    }

    /// Weight [V, C] of the output layer, for [`kernels::linear_cross_entropy`].
    ///
    /// # Panics
    /// If it was read without its output layer.
    pub fn output_weight(&self) -> Tensor<2> {
        assert!(self.has_output, "{NO_OUTPUT}");
        let decoder = self.body.decoder();
        match decoder.output_layer() {
            Some(layer) => layer.effective_weight(),
            None => decoder.token_table().weight.val(),
        }
    }

    /// An empty cache for this model.
    pub fn new_cache(&self) -> KvCache {
        KvCache::new(self.config.shape().num_hidden_layers)
    }

    /// The device its weights are on.
    pub fn device(&self) -> Device {
        self.token_table().weight.device()
    }

    /// With `recompute`, blocks store only their input for the backward pass and recompute the
    /// rest: less memory, a third more work.
    pub fn recomputing(self, recompute: bool) -> Self {
        Self { recompute, ..self }
    }

    /// The model, whose blocks are in `form`, with its output layer in the matching form.
    pub(crate) fn with_output_in(mut self, form: WeightForm) -> Self {
        if let WeightForm::Packed(format) = form
            && self.has_output
        {
            let weight = self.output_weight();
            self.packed_output = Some(PackedLinear::new(weight, None, format));
        }
        self
    }

    /// Whether it was read with its output layer.
    pub(crate) fn has_output(&self) -> bool {
        self.has_output
    }

    /// The model with the output layer of `whole`, the model that it was read from.
    #[must_use]
    pub(crate) fn with_output_of(mut self, whole: Self) -> Self {
        let mut body = whole.body;
        let output = body.decoder_mut().output_layer_mut().take();
        *self.body.decoder_mut().output_layer_mut() = output;
        Self {
            has_output: whole.has_output,
            packed_output: whole.packed_output,
            ..self
        }
    }

    /// Whether checkpoints store the weight with this name as [in, out].
    pub fn stores_transposed(&self, name: &str) -> bool {
        self.config.is_transposed(name)
    }
}

impl NamedLinears for Network {
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        self.body.decoder_mut().linears_mut()
    }

    fn packed(&self, format: Precision) -> Self {
        let copy = self.clone().valid();
        copy.map_linears(|_, layer| layer.packed(format))
            .with_output_in(WeightForm::Packed(format))
    }
}
