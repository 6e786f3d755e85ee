//! The readers, by what they read.

mod config;
mod data;
mod dictionaries;
mod identifiers;
mod model_files;
mod parquet;
mod run_folder;
mod servers;
mod templates;
mod weights;
