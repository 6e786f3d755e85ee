//! Translates questions and answers.

use anyhow::Result;
use artefacts::Key;
use corpus::record::Answered;
use corpus::stage::{self, Inputs, StageOptions};
use corpus::text::budget::DEFAULT_PIECES;
use corpus::translate::TranslateStage;

use super::answer;
use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
use crate::sdrrl::sample_translations::try_translator;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "translate";

/// The stage.
pub struct Translate;

impl Stage<Config> for Translate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "translate questions and answers into the target languages"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[answer::NAME]
    }

    fn shardable(&self) -> bool {
        true
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let engine = &run.config.translate.engine;
        let files = engine.check_files(&run.config.opening());
        let found = files
            .map_err(Into::into)
            .and_then(|()| match checks.thorough {
                true => try_translator(run),
                false => Ok(engine.name().to_owned()),
            });
        checks.add("translation", found)
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
    action: impl FnOnce(&TranslateStage<'_>, &Inputs<'_, Answered>) -> Result<T>,
) -> Result<T> {
    let inputs = Inputs::stage(&run.folder(answer::NAME))?;
    let translators = run.translators()?;
    let config = run.config;
    let stage = TranslateStage::new(
        translators.there.as_ref(),
        config.source,
        config.targets.clone(),
        DEFAULT_PIECES,
    );
    action(&stage, &inputs)
}
