//! Translations of a few texts, by which `doctor` sees whether an engine writes the language that it
//! should: a server answers, and an LLM answers in any language.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use corpus::filter::min_language_probability;
use corpus::language::Language;
use corpus::repetition;
use corpus::seam::{Identification, Translator};
use corpus::source::{self, LoadOptions};
use corpus::text::budget::DEFAULT_PIECES;
use corpus::text::segment::Segmenter;
use corpus::translation::translate_texts;
use engines::native_label::NativeLabels;

use super::config::Config;
use crate::run::Run;

/// Number of texts that are translated into each language.
const SAMPLES: usize = 3;

/// Number of instructions among which they are looked for.
const AMONG: usize = 200;

/// Letters of a question that says something: identifiers abstain on shorter texts, and longer ones
/// take long to translate.
const LETTERS: std::ops::RangeInclusive<usize> = 30..=160;

/// Letters of a text whose copy is no translation: names and single words may stay as they are.
const COPIED_LETTERS: usize = 15;

/// Translates questions of the run into every target language. Says what one of them becomes, and
/// warns of translations that the filter would reject.
///
/// # Errors
/// If the engine fails, or no translation into a language can be used.
pub fn try_translator(run: &Run<'_, Config>) -> Result<String> {
    let (source, questions) = (run.config.source, questions(run));
    let translator = run.translators()?.there;
    let judge = Judge::of(run);
    let engine = translator.identity().engine;
    let mut said = Vec::new();
    let mut warnings = String::new();
    for &target in &run.config.targets {
        let translations = translator.translate(&questions, source, target)?;
        let samples: Vec<Sample<'_>> = questions.iter().zip(&translations).collect();
        warnings += &judge.warning(&samples, source, target)?;
        let shown = samples.iter().find(|sample| !is_empty(sample));
        said.extend(shown.map(|(text, written)| format!("{text:?} into {target}: {written:?}")));
    }
    let said = said.join(", ");
    Ok(format!("{engine} translates {said}{warnings}"))
}

/// Translates some `passages` in `from` with `back` into the run's source language. Says how one of
/// them begins then, and warns as [`try_translator`] does.
///
/// # Errors
/// If the engine fails, or none of the translations can be used.
pub fn try_back(
    run: &Run<'_, Config>,
    back: &dyn Translator,
    from: Language,
    passages: &[String],
) -> Result<String> {
    let source = run.config.source;
    let passages = &passages[..passages.len().min(SAMPLES)];
    let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
    let segmenter = Segmenter::new(from, DEFAULT_PIECES);
    let translations = translate_texts(back, &segmenter, &texts, from, source)?;
    let translations: Vec<String> = translations
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect();
    let samples: Vec<Sample<'_>> = passages.iter().zip(&translations).collect();
    let warning = Judge::of(run).warning(&samples, from, source)?;
    let written = samples.iter().find(|sample| !is_empty(sample));
    let written = written.map_or("", |(_, written)| written.as_str());
    let beginning: String = written.chars().take(BEGINNING).collect();
    Ok(format!("{beginning:?} …{warning}"))
}

/// Characters of a translated passage that are shown.
const BEGINNING: usize = 60;

/// A text and its translation.
type Sample<'t> = (&'t String, &'t String);

fn is_empty((_, written): &Sample<'_>) -> bool {
    written.trim().is_empty()
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

/// What translations are judged by.
struct Judge<'r> {
    run: &'r Run<'r, Config>,
    /// If it cannot be opened, its own check says so.
    identifier: Option<Box<dyn NativeLabels>>,
}

impl<'r> Judge<'r> {
    fn of(run: &'r Run<'r, Config>) -> Judge<'r> {
        let identifier = run.config.identify.open().ok();
        Judge { run, identifier }
    }

    /// A warning of the translations into `to` that cannot be used, if there are some.
    ///
    /// # Errors
    /// If these are all.
    fn warning(&self, samples: &[Sample<'_>], from: Language, to: Language) -> Result<String> {
        let faults = samples.iter();
        let faults = faults.filter_map(|sample| self.fault(sample, from, to));
        let faults: Vec<String> = faults.collect();
        let (faulty, all, counts) = (faults.len(), samples.len(), counted(&faults));
        if faulty == 0 {
            return Ok(String::new());
        }
        if faulty < all {
            return Ok(format!(
                "; WARNING: {faulty} of {all} translations into {to} are unusable ({counts})"
            ));
        }
        let example = samples.iter().find(|sample| !is_empty(sample));
        let example = example.map_or(String::new(), |(text, written)| {
            format!("; {text:?} becomes {written:?}")
        });
        let hint = match faults.iter().any(|fault| fault == EMPTY) {
            true => "; an LLM's counts as empty if it does not end within max_new_tokens",
            false => "",
        };
        bail!(
            "all {all} translations into {to} are unusable ({counts}{hint}){example}: this engine \
             cannot translate into this language; check its models, or choose another one"
        )
    }

    /// What is wrong with a translation, if anything is; of its language, as the filter sees it.
    fn fault(&self, sample: &Sample<'_>, from: Language, to: Language) -> Option<String> {
        if is_empty(sample) {
            return Some(EMPTY.to_owned());
        }
        let (text, written) = (sample.0.trim(), sample.1.trim());
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        if letters >= COPIED_LETTERS && written.to_lowercase() == text.to_lowercase() {
            return Some("copied".to_owned());
        }
        if repetition::looping(written).is_some() {
            return Some("looping".to_owned());
        }
        let identifier = self.identifier.as_ref()?;
        let least = min_language_probability(identifier.as_ref(), &self.run.config.filter);
        match identifier.identify(written) {
            Identification::Identified {
                language,
                probability,
            } if probability >= least
                && (language == from || language != to && identifier.knows(to)) =>
            {
                Some(format!("in {}", language.everyday_name()))
            }
            _ => None,
        }
    }
}

/// The fault of a translation without text.
const EMPTY: &str = "empty";

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
