//! Words of the questions are replaced by dictionary translations.

use std::collections::BTreeMap;

use anyhow::Result;
use artefacts::{Key, Place};
use corpus::code_switch::{self, CodeSwitchConfig, CodeSwitchStage};
use corpus::dictionary::BilingualDictionary;
use corpus::language::Language;
use corpus::progress::{Progress, Silent};
use corpus::record::Translated;
use corpus::stage::{self, Inputs, StageOptions};

use super::filter;
use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
use crate::sdrrl::dictionaries;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "code_switch";

/// The stage.
pub struct CodeSwitch;

impl Stage<Config> for CodeSwitch {
    fn name(&self) -> &'static str {
        NAME
    }

    fn command(&self) -> &'static str {
        "code-switch"
    }

    fn about(&self) -> &'static str {
        "replace words of the questions with translations from dictionaries"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[filter::NAME]
    }

    fn shardable(&self) -> bool {
        true
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        dictionaries::check(run, checks)
    }

    fn most_shards(&self, run: &Run<'_, Config>) -> Result<u64> {
        let (stage, inputs) = prepared(run, &run.place_to_look(), &Silent)?;
        Ok(stage::most_shards(&stage, &inputs))
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        let (stage, inputs) = prepared(run, &run.place_to_look(), &Silent)?;
        Ok(stage::key(&stage, &inputs)?)
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        let (stage, inputs) = prepared(run, &run.place()?, run.progress)?;
        let summary = run.rows(&stage, &inputs, StageOptions::default())?;
        let coverage = match stage::manifest(&run.folder(NAME)) {
            Ok(manifest) => code_switch::coverage_summary(&manifest),
            // The merging run reports it instead of the shards.
            Err(_) => String::new(),
        };
        Ok(match coverage.is_empty() {
            true => summary,
            false => format!("{summary}; {coverage}"),
        })
    }
}

/// The stage and its inputs; induced dictionaries are kept in `place`.
fn prepared(
    run: &Run<'_, Config>,
    place: &Place,
    progress: &dyn Progress,
) -> Result<(CodeSwitchStage, Inputs<'static, Translated>)> {
    let inputs = Inputs::stage(&run.folder(filter::NAME))?;
    let mut dictionaries = BTreeMap::new();
    for &target in &run.config.targets {
        let dictionary = dictionary(run, target, &inputs, place, progress)?;
        dictionaries.insert(target, dictionary);
    }
    let config = CodeSwitchConfig {
        probability: run.config.code_switch.probability,
        seed: run.config.seed,
    };
    let stage = CodeSwitchStage::new(dictionaries, run.config.source, config);
    Ok((stage, inputs))
}

/// The dictionary of a target language: from the files in the config, or induced.
fn dictionary(
    run: &Run<'_, Config>,
    target: Language,
    inputs: &Inputs<'_, Translated>,
    place: &Place,
    progress: &dyn Progress,
) -> Result<BilingualDictionary> {
    let config = &run.config.code_switch;
    let forward = dictionaries::load(config.dictionaries.get(&target))?;
    let backward = dictionaries::load(config.reverse_dictionaries.get(&target))?;
    if !forward.is_empty() || !backward.is_empty() {
        return Ok(BilingualDictionary::new(forward, backward));
    }
    let without = |why: &str| {
        progress.note(&format!(
            "no dictionary for {target}, and {why}: its questions are not code-switched; name one \
             under [code_switch.dictionaries]"
        ));
        Ok(BilingualDictionary::default())
    };
    if !run.config.translate.engine.is_cheap_on_words() {
        return without("the translation engine is too slow to induce one");
    }
    let translators = run.translators()?;
    let Some(back) = translators.back else {
        return without("there is no model that translates back to induce one");
    };
    let source = run.config.source;
    Ok(code_switch::induced::dictionary(
        inputs,
        &translators.there,
        &back,
        source,
        target,
        place,
    )?)
}
