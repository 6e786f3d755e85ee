//! Decoder-only language models, one per file, with its paper, configuration, tensor names, loading
//! and forward pass. [`Network`] is any of them.
//!
//! To add a decoder, write a file that implements `Architecture` and [`Decoder`], and add a line
//! to the list below.

mod config_gguf;
mod config_json;
mod gguf_metadata;
mod network;
mod shape;
mod stack;
mod tensor_names;

pub mod gemma3;
pub mod gpt2;
pub mod llama;
pub mod qwen3;

use burn::Tensor;
use burn::module::Module;
use burn::tensor::Device;
use serde_json::{Map, Value, json};

pub use config_gguf::GgufConfigError;
pub(crate) use config_json::{TokenIds, one_or_many};
pub(crate) use gguf_metadata::GgufMetadata;
pub use network::Network;
pub use shape::Shape;
pub use stack::{Stack, StackBlock, Trunk};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config_error::ConfigError;
use crate::gguf::Gguf;
use crate::layers::{Embedding, Linear, Loader, MapLayer, Parts, Pass, Rotary};
use config_gguf::ConfigGguf;
use config_json::ConfigJson;
use tensor_names::GgufCheckpoint;
pub(crate) use tensor_names::{ROPE_DIVISORS, TensorNames};

/// The configuration of a decoder: everything known about it without its weights.
trait Architecture: Clone + Sized {
    /// The decoder with this configuration.
    type Decoder: Decoder + Module;

    /// `model_type` in the `config.json` of its checkpoints.
    const MODEL_TYPES: &'static [&'static str];
    /// `general.architecture` of its GGUF files.
    const GGUF_ARCHITECTURES: &'static [&'static str];
    /// Whether its positions are a learned table, so that there are no further ones.
    const LEARNED_POSITIONS: bool = false;

    /// Reads a `config.json` of one of the types; defaults are those of Transformers.
    fn from_json(json: &ConfigJson) -> Result<Self, ConfigError>;

    /// The `config.json` that Transformers reads. Rotary divisors have no counterpart there and are
    /// an error.
    fn to_json(&self) -> Result<Map<String, Value>, ConfigError>;

    /// Reads the metadata of a GGUF file of one of the architectures.
    fn from_gguf(gguf: &ConfigGguf<'_>) -> Result<Self, GgufConfigError>;

    /// The metadata of its GGUF files; settings that llama.cpp has no counterpart of are an error.
    fn to_gguf(&self) -> Result<GgufMetadata, ConfigError>;

    /// Its sizes.
    fn shape(&self) -> &Shape;

    /// The names of its tensors.
    fn tensor_names(&self) -> TensorNames;

    /// Reads the weights. The caller refuses checkpoints with other tensors.
    fn load(&self, loader: &Loader<'_>) -> Result<Self::Decoder, CheckpointError>;

    /// Whether a tensor with this name is a buffer that some exporters store and nobody reads.
    fn is_buffer(name: &str) -> bool {
        name.ends_with("rotary_emb.inv_freq")
    }

    /// Whether checkpoints store the weight with this name as [in, out] (a `Conv1D` of
    /// Transformers).
    fn is_transposed(_name: &str) -> bool {
        false
    }
}

/// The weights of a decoder, and its computation.
pub trait Decoder {
    /// Input of the first block [T, C] for tokens and their positions.
    ///
    /// # Panics
    /// If an id is not below V.
    fn embed(&self, ids: &[u32], positions: &[u32]) -> Tensor<2>;

    /// Input of the first block for states [T, C] that stand for token embeddings, scaled as the
    /// model scales them, at these positions.
    fn embed_states(&self, states: Tensor<2>, _positions: &[u32]) -> Tensor<2> {
        states
    }

    /// Last hidden states of embedded tokens [T, C], after the last norm.
    fn forward(&self, embedded: Tensor<2>, pass: &mut Pass<'_>) -> Tensor<2>;

    /// Its rotary tables; empty if its positions are learned.
    fn rotary(&self) -> &[Rotary] {
        &[]
    }

    /// Token table [V, C].
    fn token_table(&self) -> &Embedding;

    /// Output layer [V, C]; `None` if it is the token table or was not read.
    fn output_layer(&self) -> &Option<Linear>;

    /// The same.
    fn output_layer_mut(&mut self) -> &mut Option<Linear>;

    /// The linear layers of all blocks by their full names.
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)>;
}

/// Defines `Config`, the configuration of any decoder, and `Body`, any decoder, from a list of
/// decoders.
macro_rules! decoders {
    ($($name:ident: $config:ty),+ $(,)?) => {
        /// The configuration of any decoder.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Config {
            $(
                #[doc = concat!("[`", stringify!($config), "`]")]
                $name($config),
            )+
        }

        /// Any decoder.
        #[derive(Module, Debug)]
        enum Body {
            $($name(<$config as Architecture>::Decoder),)+
        }

        $(
            impl From<$config> for Config {
                fn from(config: $config) -> Self {
                    Self::$name(config)
                }
            }
        )+

        impl Config {
            /// Reads the text of a `config.json`.
            pub fn from_json(text: &str) -> Result<Self, ConfigError> {
                let json = ConfigJson::parse(text)?;
                let found = json.model_type()?;
                let name = found.as_deref().unwrap_or_default();
                $(
                    if <$config>::MODEL_TYPES.contains(&name) {
                        return Ok(Self::$name(<$config>::from_json(&json)?));
                    }
                )+
                Err(ConfigError::unknown_model("model_type", found.as_deref(), MODEL_TYPES))
            }

            fn from_metadata(gguf: &ConfigGguf<'_>) -> Result<Self, GgufConfigError> {
                let name = gguf.architecture.as_str();
                $(
                    if <$config>::GGUF_ARCHITECTURES.contains(&name) {
                        return Ok(Self::$name(<$config>::from_gguf(gguf)?));
                    }
                )+
                let key = "general.architecture";
                Err(ConfigError::unknown_model(key, Some(name), GGUF_ARCHITECTURES).into())
            }

            /// Its sizes.
            pub fn shape(&self) -> &Shape {
                match self { $(Self::$name(config) => config.shape(),)+ }
            }

            /// Length of the longest sequence, if its positions are learned. Rotary positions have
            /// no end.
            pub fn longest_sequence(&self) -> Option<usize> {
                let learned = match self { $(Self::$name(_) => <$config>::LEARNED_POSITIONS,)+ };
                learned.then(|| self.shape().max_position_embeddings)
            }

            fn keys(&self) -> Result<Map<String, Value>, ConfigError> {
                match self { $(Self::$name(config) => config.to_json(),)+ }
            }

            /// The metadata of a GGUF file.
            pub(crate) fn to_gguf(&self) -> Result<GgufMetadata, ConfigError> {
                match self { $(Self::$name(config) => config.to_gguf(),)+ }
            }

            /// The names of its tensors.
            pub(crate) fn tensor_names(&self) -> TensorNames {
                match self { $(Self::$name(config) => config.tensor_names(),)+ }
            }

            fn is_transposed(&self, name: &str) -> bool {
                match self { $(Self::$name(_) => <$config>::is_transposed(name),)+ }
            }

            fn load(
                &self,
                checkpoint: &dyn Checkpoint,
                device: &Device,
                map: &mut MapLayer<'_>,
                parts: Parts,
            ) -> Result<Body, CheckpointError> {
                let loader = Loader::new(checkpoint, device, map).reading(parts);
                Ok(match self {
                    $(
                        Self::$name(config) => {
                            let decoder = config.load(&loader)?;
                            loader.finish(<$config>::is_buffer)?;
                            Body::$name(decoder)
                        }
                    )+
                })
            }
        }

        impl Body {
            fn decoder(&self) -> &dyn Decoder {
                match self { $(Self::$name(decoder) => decoder,)+ }
            }

            fn decoder_mut(&mut self) -> &mut dyn Decoder {
                match self { $(Self::$name(decoder) => decoder,)+ }
            }
        }

        const MODEL_TYPES: &[&[&str]] = &[$(<$config>::MODEL_TYPES,)+];
        const GGUF_ARCHITECTURES: &[&[&str]] = &[$(<$config>::GGUF_ARCHITECTURES,)+];
    };
}

decoders! {
    Llama: llama::LlamaConfig,
    Qwen3: qwen3::Qwen3Config,
    Gemma3: gemma3::Gemma3Config,
    Gpt2: gpt2::Gpt2Config,
}

impl Config {
    /// Reads the metadata of a GGUF file.
    pub fn from_gguf(file: &Gguf) -> Result<Self, GgufConfigError> {
        Self::from_metadata(&ConfigGguf::new(file)?)
    }

    /// The `config.json` that Transformers reads; `dtype` is that of the stored weights.
    pub fn to_json(&self, dtype: &str) -> Result<Value, ConfigError> {
        let mut keys = self.keys()?;
        keys.insert("dtype".into(), json!(dtype));
        keys.insert("torch_dtype".into(), json!(dtype));
        Ok(Value::Object(keys))
    }

    /// The tensors of a GGUF file that contains a model with this configuration.
    pub(crate) fn gguf_checkpoint<'a>(&self, file: &'a Gguf) -> impl Checkpoint + 'a {
        let shape = self.shape();
        GgufCheckpoint {
            file,
            names: self.tensor_names(),
            heads: [shape.num_attention_heads, shape.num_key_value_heads],
        }
    }
}
