//! Any encoder, for training and inference.

use std::sync::Arc;

use burn::Tensor;
use burn::module::Module;
use burn::tensor::Device;
use kernels::Segments;

use super::{Body, EncoderConfig, EncoderShape};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::layers::{Attention, Context, Linear, MapLayer, NamedLinears, Pass, WeightForm};
use crate::random_weights::RandomWeights;

/// The network of an encoder, without pooler and output layer.
#[derive(Module, Debug)]
pub struct EncoderNetwork {
    body: Body,
    #[module(skip)]
    config: EncoderConfig,
    #[module(skip)]
    shape: EncoderShape,
    /// Whether layers store only their input for the backward pass.
    #[module(skip)]
    recompute: bool,
}

impl EncoderNetwork {
    /// Reads an encoder with this configuration, its weights converted to `form` as soon as they are
    /// read. Tensors of other parts of the model are ignored.
    pub fn load_as(
        config: &EncoderConfig,
        checkpoint: &dyn Checkpoint,
        device: &Device,
        form: WeightForm,
    ) -> Result<Self, CheckpointError> {
        let hold = &mut |_: &str, layer: Linear| Ok(layer.held_in(form));
        Self::load_mapped(config, checkpoint, device, hold, form)
    }

    /// [`EncoderNetwork::load_as`] with each linear layer replaced as soon as it is read; the closure
    /// receives its full name and converts it to `form`.
    pub(crate) fn load_mapped(
        config: &EncoderConfig,
        checkpoint: &dyn Checkpoint,
        device: &Device,
        map: &mut MapLayer<'_>,
        form: WeightForm,
    ) -> Result<Self, CheckpointError> {
        Ok(Self {
            body: config.load(checkpoint, device, map, form)?,
            config: config.clone(),
            shape: config.shape(),
            recompute: false,
        })
    }

    /// A network with weights from N(0, 0.02²), gains of 1 and biases of 0, converted to `form`. The
    /// same seed gives the same weights on every machine.
    pub fn random(config: &EncoderConfig, seed: u64, device: &Device, form: WeightForm) -> Self {
        let network = Self::load_as(config, &RandomWeights { seed }, device, form);
        network.unwrap_or_else(|error| unreachable!("random weights have every shape: {error}"))
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Its sizes.
    pub fn shape(&self) -> &EncoderShape {
        &self.shape
    }

    /// Last hidden states of whole sequences, laid end to end: T ids and types → [T, C].
    /// Differentiable; no dropout.
    ///
    /// # Panics
    /// If an id is not below V, a type has no row, or a segment is longer than
    /// [`EncoderShape::max_tokens`].
    pub fn forward(&self, ids: &[u32], types: &[u32], segments: &Segments) -> Tensor<2> {
        self.run(ids, types, segments, None, &mut |_| ())
    }

    /// [`EncoderNetwork::forward`] with the dropout of the adapters. A mask is a function of the seed
    /// and of its place in the model; layers with a common input share it.
    pub fn forward_with_dropout(
        &self,
        ids: &[u32],
        types: &[u32],
        segments: &Segments,
        seed: u64,
    ) -> Tensor<2> {
        self.run(ids, types, segments, Some(seed), &mut |_| ())
    }

    /// All hidden states [T, C], as Transformers counts them: the embeddings, the output of each
    /// layer, and for the last layer the output of the last norm. Panics are those of
    /// [`EncoderNetwork::forward`].
    pub fn layer_states(&self, ids: &[u32], types: &[u32], segments: &Segments) -> Vec<Tensor<2>> {
        let mut states = Vec::with_capacity(self.shape.layers + 1);
        let last = self.run(ids, types, segments, None, &mut |x| states.push(x.clone()));
        states.push(last);
        states
    }

    /// The forward pass; `visit` sees the input of each layer.
    fn run(
        &self,
        ids: &[u32],
        types: &[u32],
        segments: &Segments,
        dropout_seed: Option<u64>,
        visit: &mut dyn FnMut(&Tensor<2>),
    ) -> Tensor<2> {
        let encoder = self.body.encoder();
        let mut pass = Pass {
            context: Context {
                segments: segments.clone(),
                positions: Arc::new([]),
                rotary: Arc::new([]),
                attention: Attention::Bidirectional,
                dropout_seed,
            },
            recompute: self.recompute,
            cache: None,
        };
        let mut x = encoder.embed(ids, types, segments);
        for index in 0..encoder.layers() {
            visit(&x);
            x = encoder.layer(index, x, &mut pass);
        }
        encoder.last_norm(x)
    }

    /// The device its weights are on.
    pub fn device(&self) -> Device {
        self.body.encoder().device()
    }

    /// With `recompute`, layers store only their input for the backward pass and recompute the rest:
    /// less memory, a third more work.
    pub fn recomputing(self, recompute: bool) -> Self {
        Self { recompute, ..self }
    }
}

impl NamedLinears for EncoderNetwork {
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        self.body.encoder_mut().linears_mut()
    }
}
