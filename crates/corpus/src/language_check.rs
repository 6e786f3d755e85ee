//! Whether texts are in the languages that they are said to be in: swapped columns, files of another
//! language, single texts that were left untranslated.

use std::path::Path;

use rayon::prelude::*;
use serde_json::json;

use crate::language::Language;
use crate::rejected::Rejected;
use crate::seam::{Identification, LanguageIdentifier};
use crate::source::{LoadedLines, LoadedPairs, ParallelSource, SourceError, judge};
use crate::text::budget::DEFAULT_PIECES;
use crate::text::segment::{Segment, Segmenter};

/// Texts that are joined to identify the language of a file.
const SAMPLE: usize = 40;

/// Letters from which a sample says something about a file.
const ENOUGH_LETTERS: usize = 100;

/// Languages that identifiers take for each other, by the first three letters of their codes: a
/// corpus of one of them is not refused as one of another.
const RELATIVES: [&[&str]; 9] = [
    &["bos", "hrv", "srp"],
    &["ind", "zsm", "min", "bjn", "sun", "jav"],
    &["nob", "nno", "dan"],
    &["por", "glg"],
    &["zho", "yue"],
    &["pes", "prs", "pbt"],
    &[
        "arb", "acm", "acq", "aeb", "ajp", "apc", "ars", "ary", "arz",
    ],
    &["ces", "slk"],
    &["afr", "nld"],
];

fn are_relatives(first: Language, second: Language) -> bool {
    let among = |group: &&[&str], language: Language| group.contains(&language.iso639_3());
    first.iso639_3() == second.iso639_3()
        || RELATIVES
            .iter()
            .any(|group| among(group, first) && among(group, second))
}

/// Identifies the language of texts.
#[derive(Clone, Copy)]
pub struct LanguageCheck<'a> {
    /// The identifier.
    pub identifier: &'a dyn LanguageIdentifier,
    /// Probability from which its result counts.
    pub min_probability: f64,
}

impl LanguageCheck<'_> {
    /// Checks that each side of `pairs` is in its language as a whole.
    ///
    /// # Errors
    /// [`SourceError::SwappedLanguages`] and [`SourceError::OtherLanguage`].
    pub fn sides(
        &self,
        source: &ParallelSource,
        pairs: &[(String, String)],
        (from, to): (Language, Language),
    ) -> Result<(), SourceError> {
        let side =
            |text: fn(&(String, String)) -> &str| -> Vec<&str> { pairs.iter().map(text).collect() };
        let found_source = self.whole(&side(|pair| &pair.0), from);
        let found_target = self.whole(&side(|pair| &pair.1), to);
        let path = || source.path().to_owned();
        let other = |what, found: Language, expected| SourceError::OtherLanguage {
            path: path(),
            what,
            found,
            expected,
        };
        match (found_source, found_target) {
            (Some(source), Some(target)) if source == to && target == from => {
                Err(SourceError::SwappedLanguages {
                    path: path(),
                    from,
                    to,
                })
            }
            (Some(found), _) => Err(other("the source side", found, from)),
            (_, Some(found)) => Err(other("the target side", found, to)),
            (None, None) => Ok(()),
        }
    }

    /// Sets pairs aside of which a side is in another language, after checking the sides as a whole.
    ///
    /// # Errors
    /// As [`LanguageCheck::sides`], or if more than `max_rejected_fraction` of the pairs cannot be
    /// used.
    pub fn pairs(
        &self,
        source: &ParallelSource,
        loaded: LoadedPairs,
        (from, to): (Language, Language),
        max_rejected_fraction: f64,
    ) -> Result<LoadedPairs, SourceError> {
        self.sides(source, &loaded.pairs, (from, to))?;
        let LoadedPairs {
            pairs,
            mut rejected,
        } = loaded;
        let judged: Vec<_> = pairs
            .into_par_iter()
            .map(|pair| {
                let found = [(&pair.0, from), (&pair.1, to)]
                    .into_iter()
                    .find_map(|(text, language)| self.fault(text, language));
                (pair, found)
            })
            .collect();
        let mut pairs = Vec::with_capacity(judged.len());
        for (number, (pair, fault)) in (1..).zip(judged) {
            match fault {
                None => pairs.push(pair),
                Some(detail) => {
                    let row = json!({ "source": pair.0, "translation": pair.1 });
                    rejected.push(wrong_language(source.path(), "pair", number, detail, row));
                }
            }
        }
        judge(source.path(), &rejected, pairs.len(), max_rejected_fraction)?;
        Ok(LoadedPairs { pairs, rejected })
    }

    /// Sets lines in another language than `language` aside.
    ///
    /// # Errors
    /// If the file as a whole is in another language, or more than `max_rejected_fraction` of its
    /// lines cannot be used.
    pub fn lines(
        &self,
        path: &Path,
        loaded: LoadedLines,
        language: Language,
        max_rejected_fraction: f64,
    ) -> Result<LoadedLines, SourceError> {
        let LoadedLines {
            lines,
            mut rejected,
        } = loaded;
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        self.require(path, "the text", &texts, language)?;
        let faults: Vec<_> = lines
            .par_iter()
            .map(|line| self.fault(line, language))
            .collect();
        let mut kept = Vec::with_capacity(lines.len());
        for (number, (line, fault)) in (1..).zip(lines.into_iter().zip(faults)) {
            match fault {
                None => kept.push(line),
                Some(detail) => {
                    let row = json!(line);
                    rejected.push(wrong_language(path, "sentence", number, detail, row));
                }
            }
        }
        judge(path, &rejected, kept.len(), max_rejected_fraction)?;
        Ok(LoadedLines {
            lines: kept,
            rejected,
        })
    }

    /// Checks that `texts`, of which `what` is told from the file at `path`, are in the language
    /// `expected` as a whole. Code and addresses in them do not count.
    ///
    /// # Errors
    /// [`SourceError::OtherLanguage`].
    pub fn require(
        &self,
        path: &Path,
        what: &'static str,
        texts: &[&str],
        expected: Language,
    ) -> Result<(), SourceError> {
        match self.whole(texts, expected) {
            None => Ok(()),
            Some(found) => Err(SourceError::OtherLanguage {
                path: path.to_owned(),
                what,
                found,
                expected,
            }),
        }
    }

    /// The language of a sample of `texts`, if it is another than `expected`.
    pub fn whole(&self, texts: &[&str], expected: Language) -> Option<Language> {
        let step = (texts.len() / SAMPLE).max(1);
        let segmenter = Segmenter::new(expected, DEFAULT_PIECES);
        let mut sample = String::new();
        for text in texts.iter().step_by(step).take(SAMPLE) {
            for segment in segmenter.segment(text) {
                if let Segment::Translate(sentence) = segment {
                    sentence.add_plain(&mut sample);
                    sample.push('\n');
                }
            }
        }
        let letters = sample.chars().filter(|c| c.is_alphabetic()).count();
        let found = self.other(&sample, expected);
        found
            .filter(|_| letters >= ENOUGH_LETTERS)
            .map(|(language, _)| language)
    }

    fn fault(&self, text: &str, expected: Language) -> Option<String> {
        let (found, probability) = self.other(text, expected)?;
        Some(format!(
            "{found} with probability {probability:.2}, not {expected}"
        ))
    }

    /// The language of `text`, if the identifier is sure that it is not `expected`. Its result says
    /// nothing about a language that it does not know.
    fn other(&self, text: &str, expected: Language) -> Option<(Language, f64)> {
        match self.identifier.identify(text) {
            Identification::Identified {
                language,
                probability,
            } if !are_relatives(language, expected)
                && probability >= self.min_probability
                && self.identifier.knows(expected) =>
            {
                Some((language, probability))
            }
            _ => None,
        }
    }
}

fn wrong_language(
    path: &Path,
    field: &str,
    number: usize,
    detail: String,
    row: serde_json::Value,
) -> Rejected {
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    Rejected {
        id: format!("{name}:{field} {number}"),
        stage: "source".into(),
        field: field.into(),
        reason: "wrong_language".into(),
        detail,
        row,
    }
}
