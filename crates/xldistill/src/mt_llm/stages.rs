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
use crate::stage_record::Recorded;
use crate::stages::Stage;

/// All stages; each comes after those it depends on.
pub const STAGES: [&dyn Stage<Config>; 8] = [
    &Recorded(llm2vec::MakeLlm2Vec),
    &Recorded(adapt::Adapt),
    &Recorded(classify::Classify),
    &Recorded(distill::Distill),
    &Recorded(centre::Centre),
    &Recorded(baselines::TrainBaselines),
    &Recorded(evaluate::Evaluate),
    &Report,
];
