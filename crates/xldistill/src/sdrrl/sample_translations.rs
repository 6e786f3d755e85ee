//! Translations of a few questions, by which `doctor` sees whether an engine writes the target
//! language: a server answers, and an LLM answers in any language.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use corpus::filter::min_language_probability;
use corpus::language::Language;
use corpus::repetition;
use corpus::seam::{Identification, LanguageIdentifier};
use corpus::source::{self, LoadOptions};

use super::config::Config;
use crate::run::Run;

/// Number of questions that are translated into every target language.
const SAMPLES: usize = 3;

/// Number of instructions among which they are looked for.
const AMONG: usize = 200;

/// Letters of a question that says something: identifiers abstain on shorter texts, and longer ones
/// take long to translate.
const LETTERS: std::ops::RangeInclusive<usize> = 30..=160;

/// Translates questions of the run into every target language. Says what one of them becomes, and
/// warns of translations that the filter would reject.
///
/// # Errors
/// If the engine fails, or all it writes in a language is empty.
pub fn try_translator(run: &Run<'_, Config>) -> Result<String> {
    let (source, questions) = (run.config.source, questions(run));
    let translator = run.translators()?.there;
    // If it cannot be opened, its own check says so.
    let identifier = run.config.identify.open().ok();
    let engine = translator.identity().engine;
    let mut said = vec![format!("{engine} translates {:?}", questions[0])];
    let mut warnings = Vec::new();
    for &target in &run.config.targets {
        let translations = translator.translate(&questions, source, target)?;
        let written = translations.iter().find(|text| !text.trim().is_empty());
        let Some(written) = written else {
            bail!(
                "all {} translations into {target} are empty: this engine cannot translate (an \
                 LLM's translation counts as empty if it has no end within max_new_tokens)",
                questions.len()
            );
        };
        said.push(format!("{target}: {written:?}"));
        let judge = Judge {
            identifier: identifier
                .as_deref()
                .map(|own| own as &dyn LanguageIdentifier),
            run,
            target,
        };
        let pairs = questions.iter().zip(&translations);
        let faults: Vec<String> = pairs
            .filter_map(|(question, written)| judge.fault(question, written))
            .collect();
        if !faults.is_empty() {
            warnings.push(format!(
                "; WARNING: {} of {} translations into {target} are unusable ({})",
                faults.len(),
                questions.len(),
                counted(&faults)
            ));
        }
    }
    Ok(said.join(", ") + &warnings.concat())
}

/// Single sentences among the questions of the instructions.
fn questions(run: &Run<'_, Config>) -> Vec<String> {
    let data = &run.config.data;
    let options = LoadOptions {
        limit: Some(AMONG),
        max_rejected_fraction: 1.0,
        columns: data.columns.clone(),
    };
    // If they cannot be read, their own check says so.
    let loaded = source::load_all(&data.instructions, &options);
    let loaded = loaded.map_or_else(|_| Vec::new(), |loaded| loaded.instructions);
    let says_something = |text: &String| {
        let letters = text.chars().filter(|character| character.is_alphabetic());
        !text.contains('\n') && LETTERS.contains(&letters.count())
    };
    let questions = loaded.into_iter().map(|row| row.question.trim().to_owned());
    let questions: Vec<String> = questions.filter(says_something).take(SAMPLES).collect();
    match questions.is_empty() {
        true => vec!["Hello".to_owned()],
        false => questions,
    }
}

/// What translations into a language are judged by.
struct Judge<'r> {
    run: &'r Run<'r, Config>,
    identifier: Option<&'r dyn LanguageIdentifier>,
    target: Language,
}

impl Judge<'_> {
    /// What is wrong with a translation, if anything is.
    fn fault(&self, question: &str, written: &str) -> Option<String> {
        let written = written.trim();
        if written.is_empty() {
            return Some("empty".to_owned());
        }
        if written.to_lowercase() == question.to_lowercase() {
            return Some("copied".to_owned());
        }
        if repetition::looping(written).is_some() {
            return Some("looping".to_owned());
        }
        let identifier = self.identifier.filter(|own| own.knows(self.target))?;
        let least = min_language_probability(identifier, &self.run.config.filter);
        match identifier.identify(written) {
            Identification::Identified {
                language,
                probability,
            } if language != self.target && probability >= least => {
                Some(format!("in {}", language.everyday_name()))
            }
            _ => None,
        }
    }
}

/// `2 in English, 1 empty`.
fn counted(faults: &[String]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for fault in faults {
        *counts.entry(fault).or_default() += 1;
    }
    let counts = counts.iter();
    let counts: Vec<String> = counts
        .map(|(fault, count)| format!("{count} {fault}"))
        .collect();
    counts.join(", ")
}
