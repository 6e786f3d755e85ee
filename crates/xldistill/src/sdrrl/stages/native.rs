//! Translates the instructions of native text, and rejects bad ones.

use anyhow::Result;
use artefacts::{Key, Place};
use corpus::filter::FilterStage;
use corpus::record::Instructed;
use corpus::reverse_instructions::NativeStage;
use corpus::stage::{self, Inputs, StageOptions};
use corpus::text::budget::DEFAULT_PIECES;

use super::{filter, instruct};
use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "native";

/// The stage.
pub struct Native;

impl Stage<Config> for Native {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "translate the instructions of native text, and reject bad ones"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[instruct::NAME]
    }

    fn is_wanted(&self, config: &Config) -> bool {
        config.native_text().is_some()
    }

    fn shardable(&self) -> bool {
        true
    }

    /// What it needs is checked for the stages `translate` and `filter`.
    fn check(&self, _: &Run<'_, Config>, _: &mut Checks<'_>) -> Result<()> {
        Ok(())
    }

    fn most_shards(&self, run: &Run<'_, Config>) -> Result<u64> {
        prepared(run, &run.place_to_look(), |stage, inputs| {
            Ok(stage::most_shards(stage, inputs))
        })
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        prepared(run, &run.place_to_look(), |stage, inputs| {
            Ok(stage::key(stage, inputs)?)
        })
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        prepared(run, &run.place()?, |stage, inputs| {
            run.rows(stage, inputs, StageOptions::default())
        })
    }
}

/// Does something with the stage and its inputs; calibrations are kept in `place`.
fn prepared<T>(
    run: &Run<'_, Config>,
    place: &Place,
    action: impl FnOnce(&NativeStage<'_, FilterStage<'_>>, &Inputs<'_, Instructed>) -> Result<T>,
) -> Result<T> {
    let inputs = Inputs::stage(&run.folder(instruct::NAME))?;
    let translators = run.translators()?;
    let there = translators.there.as_ref();
    filter::with_filter(run, place, |filter| {
        let stage = NativeStage::new(there, run.config.source, DEFAULT_PIECES, filter);
        action(&stage, &inputs)
    })
}
