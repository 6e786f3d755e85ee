//! Architectures: language models, their files, and what can be done with them.
//!
//! [`LanguageModel::load`] takes a path and returns the network ([`decoders`]) with its tokenizer
//! and chat template, from a GGUF file ([`gguf`]) or a Hugging Face directory ([`huggingface`]).
//! [`generation`] writes text with it, [`scoring`] computes the probability of text, [`llm2vec`] merges adapters that make it an encoder of text, and [`export`]
//! writes the model to disk for Transformers or PEFT. [`TranslationModel`] is an encoder-decoder
//! ([`m2m100`]) with its tokenizer, searched by [`beam_search`]. [`comet`] estimates the quality of
//! translations with an encoder ([`encoders::bert`]). [`pytorch`] reads PyTorch's files without
//! executing anything. This crate knows no data set.

#![warn(clippy::unwrap_used)]

mod adapter_directory;
mod compute_device;
mod config_error;
mod identity;
mod language_model;
mod last_states;
mod model_place;
mod panic_boundary;
mod parameter_path;
mod random_weights;
mod translation_model;

pub mod allowance;
pub mod backbone;
pub mod beam_search;
pub mod chat_template;
pub mod checkpoint;
pub mod classifier;
pub mod comet;
pub mod decoders;
pub mod encoders;
pub mod export;
pub mod generation;
pub mod gguf;
pub mod huggingface;
pub mod layers;
pub mod llm2vec;
pub mod m2m100;
pub mod model_directory;
pub mod pytorch;
pub mod scoring;
pub mod stacks;
pub mod text_input;
pub mod tokenizer;

pub use adapter_directory::AdapterError;
pub use backbone::{Backbone, BackboneNetwork, BackboneSettings};
pub use classifier::{Classifier, Head, HeadKind};
pub use compute_device::{ComputeDevice, DeviceError, GpuInterface};
pub use config_error::ConfigError;
pub use decoders::{Network, Shape};
pub use identity::ModelIdentity;
pub use kernels::Precision;
pub use language_model::{LanguageModel, LoadError};
pub use last_states::last_states;
pub use layers::{
    Attention, Linear, Lora, LoraConfig, LoraTargetError, NamedLinears, Pooling, WeightForm,
};
pub use model_directory::{ModelDirectory, ModelDirectoryError, SaveOptions};
pub use parameter_path::ParameterPath;
pub use stacks::{LanguageShifts, MeanStates, SourceStates, StackNetwork};
pub use text_input::{EncodedText, TextInput, TextInputError};
pub use translation_model::TranslationModel;
