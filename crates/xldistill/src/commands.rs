//! The commands, one per file.

pub mod calibrate;
pub mod chat;
pub mod clean;
pub mod compare;
pub mod doctor;
pub mod estimate_quality;
pub mod evaluate_model;
pub mod export;
pub mod export_embeddings;
pub mod generate;
pub mod grid;
pub mod identify;
pub mod init;
pub mod inside;
pub mod inspect;
pub mod perplexity;
pub mod plan;
pub mod predict;
pub mod rescore;
pub mod run;
pub mod score;
pub mod translate_text;
