//! MT-LLM (arXiv 2406.12739): a multilingual encoder under an LLM, which learns to read it.

pub mod config;
mod models;
pub mod stages;

pub use config::Config;

/// Name of the finished model's folder.
pub const MODEL: &str = "model";
