//! The LLM writes the instructions that native text answers.

use anyhow::{Context, Result};
use artefacts::Key;
use corpus::record::BackTranslated;
use corpus::reverse_instructions::{Fit, InstructStage};
use corpus::stage::{self, Inputs, StageOptions};

use super::passages;
use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "instruct";

/// What is checked before a run.
const CHECKED: &str = "instructions for native text";

/// The stage.
pub struct Instruct;

impl Stage<Config> for Instruct {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "have the LLM write the instruction that each native text answers"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[passages::NAME]
    }

    fn is_wanted(&self, config: &Config) -> bool {
        config.native_text().is_some()
    }

    fn shardable(&self) -> bool {
        true
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let answer = &run.config.answer;
        let found = answer.check_files(&run.config.opening());
        let found = found.map(|()| answer.name().to_owned());
        checks.add(CHECKED, found.map_err(Into::into))?;
        if answer.scores_texts() {
            return Ok(());
        }
        checks.warn(
            CHECKED,
            "nobody tells whether an instruction fits its text (reverse_instructions.min_fit), since \
             a server gives no probabilities of texts; read some of the instructions before training",
        )
    }

    fn most_shards(&self, run: &Run<'_, Config>) -> Result<u64> {
        prepared(run, |stage, inputs| Ok(stage::most_shards(stage, inputs)))
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        prepared(run, |stage, inputs| Ok(stage::key(stage, inputs)?))
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        prepared(run, |stage, inputs| {
            run.rows(stage, inputs, StageOptions::default())
        })
    }
}

/// Does something with the stage and its inputs.
fn prepared<T>(
    run: &Run<'_, Config>,
    action: impl FnOnce(&InstructStage<'_>, &Inputs<'_, BackTranslated>) -> Result<T>,
) -> Result<T> {
    let section = run.config.native_text();
    let section = section.context("the config has no [reverse_instructions]")?;
    let inputs = Inputs::stage(&run.folder(passages::NAME))?;
    let answer = &run.config.answer;
    // Another budget for answers makes no other instructions.
    let llm = answer.open(&run.config.opening(), section.max_new_tokens)?;
    let (at_once, source) = (answer.questions_at_once(), run.config.source);
    let stage = InstructStage::new(llm.answerer.as_ref(), at_once, source, section.writing());
    let stage = match &llm.scorer {
        Some(scorer) => {
            let generic = section.generic_instruction.clone();
            stage.with_fit(Fit::new(scorer.as_ref(), generic, section.min_fit()))
        }
        None => stage,
    };
    action(&stage, &inputs)
}
