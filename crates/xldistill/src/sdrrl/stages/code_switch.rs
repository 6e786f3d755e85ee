//! Words of the questions are replaced by dictionary translations.

use std::collections::BTreeMap;

use anyhow::Result;
use artefacts::{Key, Place};
use corpus::code_switch::{self, CodeSwitchConfig, CodeSwitchStage};
use corpus::dictionary::{BilingualDictionary, Dictionary};
use corpus::file_path::FilePath;
use corpus::language::Language;
use corpus::progress::{Progress, Silent};
use corpus::record::Translated;
use corpus::stage::{self, Inputs, StageOptions};

use super::filter;
use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
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
        "replace words of the questions by dictionary translations"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[filter::NAME]
    }

    fn shardable(&self) -> bool {
        true
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let config = &run.config.code_switch;
        let both = [
            ("dictionary into", &config.dictionaries),
            ("dictionary from", &config.reverse_dictionaries),
        ];
        for (what, dictionaries) in both {
            for (language, files) in dictionaries {
                let loaded =
                    load(Some(files)).map(|dictionary| format!("{} words", dictionary.len()));
                checks.add(&format!("{what} {language}"), loaded)?;
            }
        }
        Ok(())
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

fn load(files: Option<&Vec<FilePath>>) -> Result<Dictionary> {
    let mut dictionary = Dictionary::default();
    for path in files.into_iter().flatten() {
        dictionary.merge(&Dictionary::load(path)?.dictionary);
    }
    Ok(dictionary)
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
    let forward = load(config.dictionaries.get(&target))?;
    let backward = load(config.reverse_dictionaries.get(&target))?;
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
