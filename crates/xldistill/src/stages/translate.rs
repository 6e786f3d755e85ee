//! Translates questions and answers.

use anyhow::{Result, bail};
use corpus::seam::Translator;
use corpus::stage::{Inputs, StageOptions};
use corpus::text::budget::DEFAULT_PIECES;
use corpus::translate::TranslateStage;

use super::{Stage, answer};
use crate::checks::Checks;
use crate::run::Run;

/// Name of the stage.
pub const NAME: &str = "translate";

/// The stage.
pub struct Translate;

impl Stage for Translate {
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

    fn check(&self, run: &Run<'_>, checks: &mut Checks<'_>) -> Result<()> {
        let engine = &run.config.translate.engine;
        let files = engine.check_files(&run.config.opening());
        let found = files
            .map_err(Into::into)
            .and_then(|()| match checks.thorough {
                true => greetings(run),
                false => Ok(engine.name().to_owned()),
            });
        checks.add("translation", found)
    }

    fn work(&self, run: &Run<'_>) -> Result<String> {
        let translators = run.translators()?;
        let config = run.config;
        let stage = TranslateStage::new(
            translators.there.as_ref(),
            config.source,
            config.targets.clone(),
            DEFAULT_PIECES,
        );
        let inputs = Inputs::stage(&run.folder(answer::NAME))?;
        run.rows(&stage, &inputs, StageOptions::default())
    }
}

/// Translates a word into every target, so that an unreachable server is noticed early.
fn greetings(run: &Run<'_>) -> Result<String> {
    let translator = run.translators()?.there;
    let mut greetings = Vec::new();
    for &target in &run.config.targets {
        let translations =
            translator.translate(&["Hello".to_owned()], run.config.source, target)?;
        let greeting = translations.concat();
        if greeting.trim().is_empty() {
            bail!("the translation of Hello into {target} is empty: this engine cannot translate");
        }
        greetings.push(format!("{target}: {greeting:?}"));
    }
    let engine = translator.identity().engine;
    Ok(format!(
        "{engine} translates Hello, {}",
        greetings.join(", ")
    ))
}
