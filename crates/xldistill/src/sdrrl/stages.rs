//! The stages of SDRRL, in order.

pub mod answer;
pub mod code_switch;
pub mod evaluate;
pub mod filter;
pub mod instruct;
pub mod mix;
pub mod native;
pub mod passages;
pub mod train;
pub mod translate;

use super::config::Config;
use crate::report_stage::Report;
use crate::stages::Stage;

/// All stages; each comes after those it depends on.
pub const STAGES: [&dyn Stage<Config>; 11] = [
    &answer::Answer,
    &translate::Translate,
    &filter::Filter,
    &code_switch::CodeSwitch,
    &passages::Passages,
    &instruct::Instruct,
    &native::Native,
    &mix::Mix,
    &train::Train,
    &evaluate::Evaluate,
    &Report,
];
