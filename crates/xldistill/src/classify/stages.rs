//! The stages of a classifier, in order.

pub mod classify;
pub mod evaluate;

use super::config::Config;
use crate::report_stage::Report;
use crate::stage_record::Recorded;
use crate::stages::Stage;

/// All stages; each comes after those it depends on.
pub const STAGES: [&dyn Stage<Config>; 3] = [
    &Recorded(classify::Classify),
    &Recorded(evaluate::Evaluate),
    &Report,
];
