//! A classifier on an LLM or an encoder alone.

pub mod config;
pub mod stages;

pub use config::Config;

/// Name of the classifier's folder.
pub const MODEL: &str = "model";
