//! Architectures: language models, their files, and what they do.
//!
//! [`LanguageModel::load`] takes a path and gives the network ([`llama`]) with its tokenizer and
//! chat template, from a GGUF file ([`gguf`]) or a Hugging Face directory ([`huggingface`]).
//! [`generation`] writes text with it, [`scoring`] says how probable a text is, [`export`] writes
//! it back to disk as Transformers or PEFT read it. [`TranslationModel`] is an encoder-decoder
//! ([`m2m100`]) with its tokenizer, searched by [`beam_search`]. [`comet`] estimates the quality of
//! translations with an encoder ([`xlm_roberta`]). [`pytorch`] reads PyTorch's files without
//! executing anything. No data set is known here.

mod adapter_directory;
mod compute_device;
mod identity;
mod language_model;
mod random_weights;
mod translation_model;

pub mod beam_search;
pub mod chat_template;
pub mod checkpoint;
pub mod comet;
pub mod export;
pub mod generation;
pub mod gguf;
pub mod huggingface;
pub mod linear;
pub mod llama;
pub mod m2m100;
pub mod pytorch;
pub mod scoring;
pub mod tokenizer;
pub mod xlm_roberta;

pub use adapter_directory::AdapterError;
pub use compute_device::{ComputeDevice, DeviceError, GpuInterface};
pub use identity::ModelIdentity;
pub use kernels;
pub use language_model::{LanguageModel, LoadError};
pub use linear::{Linear, Lora, WeightForm};
pub use translation_model::TranslationModel;
