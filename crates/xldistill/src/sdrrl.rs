//! SDRRL (arXiv 2402.12204): an LLM learns a language from its own answers, translated.

pub mod config;
mod dictionaries;
mod engines;
pub mod model_card;
mod sample_translations;
pub mod stages;
mod texts;

pub use config::Config;

/// Name of the fine-tuned model's folder.
pub const MODEL: &str = "model";
