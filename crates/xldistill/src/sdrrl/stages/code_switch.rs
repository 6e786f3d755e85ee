//! Words of the questions are replaced by dictionary translations.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use artefacts::{Key, Place};
use corpus::code_switch::{self, CodeSwitchConfig, CodeSwitchStage};
use corpus::dictionary::coverage::Fit;
use corpus::dictionary::{BilingualDictionary, Dictionary};
use corpus::file_path::FilePath;
use corpus::language::Language;
use corpus::progress::{Progress, Silent};
use corpus::record::Translated;
use corpus::source::{self, LoadOptions};
use corpus::stage::{self, Inputs, StageOptions};

use super::filter;
use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "code_switch";

/// Number of questions that dictionaries are tried on before the first stage.
const QUESTIONS: usize = 500;

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
        let config = &run.config.code_switch;
        if config.dictionaries.is_empty() && config.reverse_dictionaries.is_empty() {
            return Ok(());
        }
        let questions = questions(run);
        let both = [
            ("dictionary into", &config.dictionaries, true),
            ("dictionary from", &config.reverse_dictionaries, false),
        ];
        for (what, dictionaries, forward) in both {
            for (&language, files) in dictionaries {
                let loaded = load(Some(files)).and_then(|dictionary| {
                    let words = format!("{} words", dictionary.len());
                    fitting(run.config.source, language, dictionary, forward, &questions)?;
                    Ok(words)
                });
                checks.add(&format!("{what} {language}"), loaded)?;
            }
        }
        Ok(())
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

/// Questions that dictionaries are tried on; none if the instructions cannot be read, which their own
/// check reports.
fn questions(run: &Run<'_, Config>) -> Vec<String> {
    let data = &run.config.data;
    let options = LoadOptions {
        limit: Some(QUESTIONS.min(data.limit.unwrap_or(usize::MAX))),
        max_rejected_fraction: 1.0,
        columns: data.columns.clone(),
    };
    let loaded = source::load_all(&data.instructions, &options);
    let rows = loaded.map(|loaded| loaded.instructions).unwrap_or_default();
    rows.into_iter().map(|row| row.question).collect()
}

/// Fails if `dictionary`, named as one into `target` (`forward`) or from it, is for other languages
/// than those of the run, or for the other direction.
fn fitting(
    source: Language,
    target: Language,
    dictionary: Dictionary,
    forward: bool,
    questions: &[String],
) -> Result<()> {
    let both = match forward {
        true => BilingualDictionary::new(dictionary, Dictionary::default()),
        false => BilingualDictionary::new(Dictionary::default(), dictionary),
    };
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    let (here, there) = match forward {
        true => ("dictionaries", "reverse_dictionaries"),
        false => ("reverse_dictionaries", "dictionaries"),
    };
    match Fit::of(&both, &questions, source) {
        Fit::Good => Ok(()),
        Fit::Reversed {
            headwords,
            translations,
        } => bail!(
            "code_switch.{here}.{target} is a dictionary of the other direction: {:.1} % of the \
             questions' words are on the side of {target}, {:.1} % on that of {source}; name it under \
             code_switch.{there}",
            100.0 * translations,
            100.0 * headwords
        ),
        Fit::Foreign { headwords } => bail!(
            "code_switch.{here}.{target} has {:.1} % of the questions' words: it is a dictionary of \
             other languages than {source} and {target}, or far too small; remove the key to induce one",
            100.0 * headwords
        ),
    }
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
