//! The run that opens its engines.

use std::collections::BTreeMap;

use corpus::language::Language;
use corpus::source::ParallelSource;
use models::ComputeDevice;

use crate::model_ref::ModelRef;
use crate::template_ref::TemplateRef;

/// What engines need to know about the run or command that opens them.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The LLM to be fine-tuned; `None` for commands without one.
    pub model: Option<&'a ModelRef>,
    /// The chat template of an LLM that brings none.
    pub template: Option<&'a TemplateRef>,
    /// The source language.
    pub source: Language,
    /// The target languages.
    pub targets: &'a [Language],
    /// Sentence pairs with the target languages.
    pub parallel: &'a BTreeMap<Language, ParallelSource>,
    /// Device of engines that can use one.
    pub device: ComputeDevice,
    /// Seed of random choices.
    pub seed: u64,
}
