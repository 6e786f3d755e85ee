//! The stages of MT-LLM, in order.

pub mod adapt;
pub mod baselines;
pub mod centre;
pub mod classify;
pub mod distill;
pub mod evaluate;
pub mod llm2vec;

use super::config::Config;
use crate::report_stage::Report;
use crate::stages::Stage;

/// All stages; each comes after those it depends on.
pub const STAGES: [&dyn Stage<Config>; 8] = [
    &llm2vec::MakeLlm2Vec,
    &adapt::Adapt,
    &classify::Classify,
    &distill::Distill,
    &centre::Centre,
    &baselines::TrainBaselines,
    &evaluate::Evaluate,
    &Report,
];
