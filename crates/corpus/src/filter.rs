//! Rejects bad translations (sections 3.2.2 and 4.1).
//!
//! x, y and ŷ are judged separately: a rejected translation is dropped, the row stays, and only the
//! subsets that need the translation lose it. Rules come first (after Zeng et al. 2021 and problems
//! reported by users of machine-translated data), then language identification, then the quality
//! estimate, each on what the previous steps left. Text without words to translate (`1969`, a code
//! listing) passes unchanged.

mod config;
mod copied;
mod copied_stretch;
mod language;
mod length_ratio;
mod long_words;
mod lost_letters;
mod markup;
mod numbers;
mod pair;
mod protected;
mod quality;
mod repetition;
mod script;
mod sentence_count;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde_json::{Value, json};

pub use config::{FilterConfig, MinQuality};

use crate::language::Language;
use crate::record::{TextPair, Translated};
use crate::rejected::Rejection;
use crate::seam::{EngineIdentity, LanguageIdentifier, QualityEstimator};
use crate::stage::{Outcome, RowStage, StageError};
use pair::{Analyser, Pair};

/// A reason to reject a translation.
trait Rule: Sync {
    /// Name of the reason in rejected rows and manifests.
    fn reason(&self) -> &'static str;
    /// The key of its threshold in `[filter]`, if it has one.
    fn key(&self) -> Option<&'static str> {
        None
    }
    /// Description of the fault for a human reader; `None` if there is none.
    fn fault(&self, pair: &Pair) -> Option<String>;
}

/// Rejects translations by rules, language identification and estimated quality.
pub struct FilterStage<'a> {
    from: Language,
    config: FilterConfig,
    rules: Vec<Box<dyn Rule + 'a>>,
    identifier: &'a dyn LanguageIdentifier,
    estimator: Option<&'a dyn QualityEstimator>,
    calibrated: BTreeMap<Language, f64>,
}

impl<'a> FilterStage<'a> {
    /// A filter for translations from `from`. Without an `estimator`, quality is not checked.
    pub fn new(
        identifier: &'a dyn LanguageIdentifier,
        estimator: Option<&'a dyn QualityEstimator>,
        from: Language,
        config: FilterConfig,
    ) -> Self {
        let voice = language::Voice {
            identifier,
            min_probability: min_language_probability(identifier, &config),
        };
        let rules: Vec<Box<dyn Rule + 'a>> = vec![
            Box::new(copied::SourceCopied {
                max_similarity: config.max_source_similarity,
            }),
            Box::new(copied_stretch::CopiedStretch {
                max: config.max_copied_words,
            }),
            Box::new(protected::ProtectedLost),
            Box::new(lost_letters::LostLetters),
            Box::new(markup::MarkupResidue),
            Box::new(script::WrongScript {
                min_share: config.min_script_share,
            }),
            Box::new(length_ratio::LengthRatio {
                max: config.max_length_ratio,
            }),
            Box::new(sentence_count::SentenceCount {
                max_ratio: config.max_sentence_ratio,
            }),
            Box::new(long_words::LongWords {
                max: config.max_word_length,
            }),
            Box::new(repetition::Repetition),
            Box::new(numbers::NumbersLost {
                max_share: config.max_lost_numbers,
            }),
            Box::new(language::WrongSourceLanguage { voice }),
            Box::new(language::WrongLanguage { voice }),
        ];
        Self {
            from,
            config,
            rules,
            identifier,
            estimator,
            calibrated: BTreeMap::new(),
        }
    }

    /// Minimum quality for each target language, from calibration: required by
    /// [`MinQuality::Quantile`].
    pub fn with_min_quality(self, calibrated: BTreeMap<Language, f64>) -> Self {
        Self { calibrated, ..self }
    }

    /// The minimum quality of a translation into `to`.
    fn min_quality(
        &self,
        estimator: &dyn QualityEstimator,
        to: Language,
    ) -> Result<f64, StageError> {
        match (self.calibrated.get(&to), self.config.min_quality) {
            (Some(&calibrated), _) => Ok(calibrated),
            (None, Some(MinQuality::Score(score))) => Ok(score),
            (None, Some(MinQuality::Quantile { .. })) => Err(StageError::Options(format!(
                "filter.min_quality is a quantile, but {to} was not calibrated"
            ))),
            (None, None) => Ok(estimator.default_threshold()),
        }
    }

    /// The first fault that a rule finds in a translation.
    fn judge(&self, analyser: &Analyser, text: &TextPair, field: &'static str) -> Verdict {
        let Some(translation) = &text.translation else {
            return Verdict::Absent;
        };
        let pair = analyser.pair(&text.source, translation);
        if !pair.has_words() {
            return Verdict::Passed;
        }
        let fault = self.rules.iter().find_map(|rule| {
            rule.fault(&pair)
                .map(|detail| Rejection::new(field, rule.reason(), detail))
        });
        match fault {
            Some(rejection) => Verdict::Rejected(rejection),
            None if self.estimator.is_none() => Verdict::Passed,
            None => Verdict::Estimate(pair.aligned_lines()),
        }
    }
}

/// The probability from which the identifier's result counts: infinite, i.e. never reached, if the
/// config sets 1, since some identifiers are wrong with probability 1.
pub fn min_language_probability(identifier: &dyn LanguageIdentifier, config: &FilterConfig) -> f64 {
    match config.min_language_probability {
        Some(chosen) if chosen >= 1.0 => f64::INFINITY,
        Some(chosen) => chosen,
        None => identifier.default_min_probability(),
    }
}

/// Result of the rules for one translation.
enum Verdict {
    /// There is no translation, or an earlier stage rejected it.
    Absent,
    /// It has no words to translate, or quality is not estimated.
    Passed,
    /// A rule found a fault.
    Rejected(Rejection),
    /// The rules found no fault; the quality of these line pairs has to be estimated.
    Estimate(Vec<(String, String)>),
}

/// The translations of a row, with the field names used in rejections.
fn texts(row: &Translated) -> [(Option<&TextPair>, &'static str); 3] {
    [
        (Some(&row.question), "question.translation"),
        (Some(&row.answer), "answer.translation"),
        (row.generated.as_ref(), "generated.translation"),
    ]
}

fn texts_mut(row: &mut Translated) -> [Option<&mut TextPair>; 3] {
    [
        Some(&mut row.question),
        Some(&mut row.answer),
        row.generated.as_mut(),
    ]
}

impl RowStage for FilterStage<'_> {
    type Input = Translated;
    type Output = Translated;

    fn name(&self) -> &'static str {
        "filter"
    }

    fn version(&self) -> u32 {
        4
    }

    fn parameters(&self) -> Value {
        let mut config = self.config.clone();
        config.min_language_probability = Some(min_language_probability(self.identifier, &config));
        // The calibrated scores define what a quantile means; the engine defines the default.
        config.min_quality = match (self.estimator, config.min_quality) {
            (Some(estimator), None) => Some(MinQuality::Score(estimator.default_threshold())),
            (Some(_), chosen) => chosen,
            (None, _) => None,
        };
        json!({ "from": self.from, "config": config, "calibrated": self.calibrated })
    }

    fn key_of(&self, reason: &str) -> Option<String> {
        let mut rules = self.rules.iter();
        let key = match reason {
            quality::REASON => "min_quality",
            _ => rules.find(|rule| rule.reason() == reason)?.key()?,
        };
        Some(format!("filter.{key}"))
    }

    fn engines(&self) -> Vec<EngineIdentity> {
        let estimator = self.estimator.map(|estimator| estimator.identity());
        [self.identifier.identity()]
            .into_iter()
            .chain(estimator)
            .collect()
    }

    /// Estimating quality can take as long as translating.
    fn chunk_rows(&self) -> usize {
        if self.estimator.is_some() { 64 } else { 1024 }
    }

    fn process(&self, rows: &[Translated]) -> Result<Vec<Outcome<Translated>>, StageError> {
        let mut targets: Vec<Language> = rows.iter().map(|row| row.target).collect();
        targets.sort_unstable();
        targets.dedup();
        let analysers: Vec<Analyser> = targets
            .iter()
            .map(|&to| Analyser::new(self.from, to))
            .collect();
        let analyser = |to: Language| {
            &analysers[targets
                .binary_search(&to)
                .expect("every target was collected")]
        };
        let mut verdicts: Vec<[Verdict; 3]> = rows
            .par_iter()
            .map(|row| {
                texts(row).map(|(text, field)| match text {
                    Some(text) => self.judge(analyser(row.target), text, field),
                    None => Verdict::Absent,
                })
            })
            .collect();
        if let Some(estimator) = self.estimator {
            for &to in &targets {
                let of_target = rows
                    .iter()
                    .zip(&mut verdicts)
                    .filter(|(row, _)| row.target == to);
                let mut waiting: Vec<(&mut Verdict, &'static str)> = of_target
                    .flat_map(|(row, verdicts)| {
                        verdicts
                            .iter_mut()
                            .zip(texts(row))
                            .map(|(verdict, (_, field))| (verdict, field))
                    })
                    .filter(|(verdict, _)| matches!(verdict, Verdict::Estimate(_)))
                    .collect();
                quality::judge(
                    estimator,
                    self.min_quality(estimator, to)?,
                    self.from,
                    to,
                    &mut waiting,
                )?;
            }
        }
        let outcomes = rows.par_iter().zip(verdicts).map(|(row, verdicts)| {
            let mut row = row.clone();
            let mut rejections = Vec::new();
            for (verdict, text) in verdicts.into_iter().zip(texts_mut(&mut row)) {
                if let (Verdict::Rejected(rejection), Some(text)) = (verdict, text) {
                    text.translation = None;
                    rejections.push(rejection);
                }
            }
            Outcome::kept_without(row, rejections)
        });
        Ok(outcomes.collect())
    }
}
