//! Text encoders, one per file, with its configuration, tensor names, loading and forward pass.
//! [`EncoderNetwork`] is any of them; [`EncoderModel`] is one with its tokenizer.
//!
//! To add an encoder, write a file that implements `Architecture` and [`Encoder`], and add a line
//! to the list below.

mod model;
mod network;
mod shape;
mod tokenizer;

pub mod bert;
pub mod m2m100;

use std::path::Path;

use burn::Tensor;
use burn::module::Module;
use burn::tensor::Device;
use kernels::Segments;
use serde::Deserialize;

pub use model::EncoderModel;
pub use network::EncoderNetwork;
pub use shape::EncoderShape;
pub use tokenizer::EncoderTokenizer;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config_error::ConfigError;
use crate::language_model::LoadError;
use crate::layers::{Linear, Loader, MapLayer, Pass, WeightForm};

/// The configuration of an encoder: everything known about it without its weights.
trait Architecture: Clone + Sized {
    /// The encoder with this configuration.
    type Encoder: Encoder + Module;

    /// `model_type` in the `config.json` of its checkpoints.
    const MODEL_TYPES: &'static [&'static str];

    /// Whether its tokenizer marks the language of a text.
    const MARKS_LANGUAGES: bool;

    /// Reads the text of a `config.json` of one of the types; defaults are those of Transformers.
    fn from_json(text: &str) -> Result<Self, ConfigError>;

    /// Its sizes.
    fn shape(&self) -> EncoderShape;

    /// Reads the weights; the token table is in `form`, and the loader converts linear layers.
    /// Tensors of other parts of the model (heads, poolers, decoders) are ignored.
    fn load(&self, loader: Loader<'_>, form: WeightForm) -> Result<Self::Encoder, CheckpointError>;

    /// Reads the tokenizer of the model in `directory`.
    fn tokenizer(&self, directory: &Path) -> Result<EncoderTokenizer, LoadError>;
}

/// The weights of an encoder, and its computation.
pub trait Encoder {
    /// Input of the first layer [T, C] for tokens and their types.
    ///
    /// # Panics
    /// If an id is not below V, a type has no row, or a segment is longer than the model has
    /// positions.
    fn embed(&self, ids: &[u32], types: &[u32], segments: &Segments) -> Tensor<2>;

    /// Number of layers.
    fn layers(&self) -> usize;

    /// Layer number `index`: [T, C] → [T, C].
    fn layer(&self, index: usize, x: Tensor<2>, pass: &mut Pass<'_>) -> Tensor<2>;

    /// Last hidden states, from the last layer's output [T, C].
    fn last_norm(&self, x: Tensor<2>) -> Tensor<2> {
        x
    }

    /// The device its weights are on.
    fn device(&self) -> Device;

    /// The linear layers of all layers, by their names in Transformers' `AutoModel`.
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)>;
}

/// Defines `EncoderConfig`, the configuration of any encoder, and `Body`, any encoder, from a list
/// of encoders.
macro_rules! encoders {
    ($($name:ident: $config:ty),+ $(,)?) => {
        /// The configuration of any encoder.
        #[derive(Debug, Clone, PartialEq)]
        pub enum EncoderConfig {
            $(
                #[doc = concat!("[`", stringify!($config), "`]")]
                $name($config),
            )+
        }

        /// Any encoder.
        #[derive(Module, Debug)]
        #[expect(clippy::large_enum_variant, reason = "there are a few in a program")]
        enum Body {
            $($name(<$config as Architecture>::Encoder),)+
        }

        impl EncoderConfig {
            /// Reads the text of a `config.json`.
            pub fn from_json(text: &str) -> Result<Self, ConfigError> {
                let Kind { model_type: found } = serde_json::from_str(text)?;
                let name = found.as_deref().unwrap_or_default();
                $(
                    if <$config as Architecture>::MODEL_TYPES.contains(&name) {
                        return Ok(Self::$name(<$config as Architecture>::from_json(text)?));
                    }
                )+
                Err(ConfigError::unknown_model("model_type", found.as_deref(), MODEL_TYPES))
            }

            /// Its sizes.
            pub fn shape(&self) -> EncoderShape {
                match self { $(Self::$name(config) => Architecture::shape(config),)+ }
            }

            fn load(
                &self,
                checkpoint: &dyn Checkpoint,
                device: &Device,
                map: &mut MapLayer<'_>,
                form: WeightForm,
            ) -> Result<Body, CheckpointError> {
                let loader = Loader::new(checkpoint, device, map);
                Ok(match self {
                    $(Self::$name(config) => Body::$name(Architecture::load(config, loader, form)?),)+
                })
            }

            /// Whether its tokenizer marks the language of a text.
            fn marks_languages(&self) -> bool {
                match self { $(Self::$name(_) => <$config as Architecture>::MARKS_LANGUAGES,)+ }
            }

            fn tokenizer(&self, directory: &Path) -> Result<EncoderTokenizer, LoadError> {
                match self { $(Self::$name(config) => config.tokenizer(directory),)+ }
            }
        }

        impl Body {
            fn encoder(&self) -> &dyn Encoder {
                match self { $(Self::$name(encoder) => encoder,)+ }
            }

            fn encoder_mut(&mut self) -> &mut dyn Encoder {
                match self { $(Self::$name(encoder) => encoder,)+ }
            }
        }

        const MODEL_TYPES: &[&[&str]] = &[$(<$config as Architecture>::MODEL_TYPES,)+];
    };
}

encoders! {
    Bert: bert::BertConfig,
    M2m100: m2m100::M2m100Config,
}

/// The key of `config.json` that names the kind of model.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}
