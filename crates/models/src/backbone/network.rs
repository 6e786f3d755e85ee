//! The network of any backbone.

use burn::module::Module;
use burn::tensor::Device;

use crate::checkpoint::CheckpointError;
use crate::decoders::Network;
use crate::encoders::EncoderNetwork;
use crate::layers::{Linear, LoraConfig, LoraTargetError, NamedLinears};
use crate::stacks::StackNetwork;

/// The part of a backbone that can be trained.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a few in a program")]
pub enum BackboneNetwork {
    /// An LLM.
    Decoder(Network),
    /// An encoder.
    Encoder(EncoderNetwork),
    /// A projection and an LLM, on a frozen encoder.
    Stack(StackNetwork),
}

impl BackboneNetwork {
    /// Width C of the pooled states.
    pub fn hidden_size(&self) -> usize {
        match self {
            Self::Decoder(network) => network.config().shape().hidden_size,
            Self::Encoder(network) => network.shape().hidden_size,
            Self::Stack(stack) => stack.decoder.config().shape().hidden_size,
        }
    }

    /// The device its weights are on.
    pub fn device(&self) -> Device {
        match self {
            Self::Decoder(network) => network.device(),
            Self::Encoder(network) => network.device(),
            Self::Stack(stack) => stack.decoder.device(),
        }
    }

    /// The LLM, if there is one.
    pub fn decoder(&self) -> Option<&Network> {
        match self {
            Self::Decoder(network) => Some(network),
            Self::Stack(stack) => Some(&stack.decoder),
            Self::Encoder(_) => None,
        }
    }

    /// The same with a different LLM or encoder; the projection of a stack stays.
    fn map(
        self,
        decoder: impl FnOnce(Network) -> Network,
        encoder: impl FnOnce(EncoderNetwork) -> EncoderNetwork,
    ) -> Self {
        match self {
            Self::Decoder(network) => Self::Decoder(decoder(network)),
            Self::Encoder(network) => Self::Encoder(encoder(network)),
            Self::Stack(stack) => Self::Stack(StackNetwork {
                decoder: decoder(stack.decoder),
                ..stack
            }),
        }
    }

    /// With `recompute`, blocks store only their input for the backward pass and recompute the rest:
    /// less memory, a third more work.
    pub fn recomputing(self, recompute: bool) -> Self {
        let encoder = |network: EncoderNetwork| network.recomputing(recompute);
        self.map(|network| network.recomputing(recompute), encoder)
    }

    /// Attaches adapters by the name of their layer, and freezes all else but the projection of a
    /// stack.
    pub(crate) fn with_adapters(
        self,
        mut attach: impl FnMut(&str, Linear) -> Result<Linear, CheckpointError>,
    ) -> Result<Self, CheckpointError> {
        let mut failed = None;
        let frozen = self.map(Module::freeze, Module::freeze);
        let adapted = frozen.map_linears(|name, layer| {
            attach(name, layer.clone()).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                layer
            })
        });
        failed.map_or(Ok(adapted), Err)
    }

    /// The projection of a stack is no longer trained.
    pub fn with_frozen_projection(self) -> Self {
        match self {
            Self::Stack(stack) => Self::Stack(StackNetwork {
                up_projection: stack.up_projection.freeze(),
                layer_mix: stack.layer_mix.map(|mix| mix.set_require_grad(false)),
                ..stack
            }),
            other => other,
        }
    }
}

impl NamedLinears for BackboneNetwork {
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        match self {
            Self::Decoder(network) => network.linears_mut(),
            Self::Encoder(network) => network.linears_mut(),
            Self::Stack(stack) => stack.decoder.linears_mut(),
        }
    }

    /// Freezes the LLM or encoder and attaches fresh adapters to it. The projection of a stack still
    /// trains.
    fn with_lora(self, config: &LoraConfig, seed: u64) -> Result<Self, LoraTargetError> {
        Ok(match self {
            Self::Decoder(network) => Self::Decoder(network.with_lora(config, seed)?),
            Self::Encoder(network) => Self::Encoder(network.with_lora(config, seed)?),
            Self::Stack(stack) => Self::Stack(StackNetwork {
                decoder: stack.decoder.with_lora(config, seed)?,
                ..stack
            }),
        })
    }
}
