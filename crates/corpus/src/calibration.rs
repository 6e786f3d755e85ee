//! The meaning of a quality estimator's scores in one direction: how it scores human translations,
//! and what is no translation.
//!
//! Thresholds do not carry over between directions (arXiv 2606.00285): the same 0.8 that rejects
//! nothing in one rejects half of all human translations in another.

use artefacts::{Key, Place, Provenance};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::language::Language;
use crate::progress::Progress;
use crate::seam::{EngineError, EngineIdentity, QualityEstimator};
use crate::stage::StageError;
use crate::text::words::WordFinder;

/// Raised whenever the same pairs get other scores.
const VERSION: u32 = 1;

/// Pairs that are scored between two signs of progress.
const PAIRS_AT_ONCE: usize = 64;

/// The scores of one direction, each list in ascending order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Language of the sources.
    pub from: Language,
    /// Language of the translations.
    pub to: Language,
    /// The estimator.
    pub estimator: EngineIdentity,
    /// Human translations.
    pub human: Vec<f64>,
    /// Sources in place of their translations.
    pub copied: Vec<f64>,
    /// Human translations that end after half of their words.
    pub truncated: Vec<f64>,
    /// Human translations of other sources.
    pub shuffled: Vec<f64>,
}

/// Consequences of a threshold, as shares of each sort of translation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Consequences {
    /// The lowest score that passes.
    pub min_quality: f64,
    /// Human translations that are rejected.
    pub human_rejected: f64,
    /// Copied sources that pass.
    pub copied_accepted: f64,
    /// Truncated translations that pass.
    pub truncated_accepted: f64,
    /// Translations of other sources that pass.
    pub shuffled_accepted: f64,
}

impl Calibration {
    /// Scores `pairs` of human translations, and what is made of them.
    pub fn of(
        estimator: &dyn QualityEstimator,
        pairs: &[(String, String)],
        from: Language,
        to: Language,
        progress: &dyn Progress,
    ) -> Result<Self, EngineError> {
        let words = WordFinder::new(to);
        let with = |translation: &dyn Fn(usize) -> String| -> Vec<(String, String)> {
            let made = pairs.iter().enumerate();
            made.map(|(index, (source, _))| (source.clone(), translation(index)))
                .collect()
        };
        let sorts = [
            pairs.to_vec(),
            with(&|index| pairs[index].0.clone()),
            with(&|index| first_half(&words, &pairs[index].1).to_owned()),
            // A pair on the other side of the file, so that neighbours of one article do not meet.
            with(&|index| {
                pairs[(index + pairs.len().div_ceil(2)) % pairs.len()]
                    .1
                    .clone()
            }),
        ];
        let total = sorts.iter().map(Vec::len).sum::<usize>() as u64;
        progress.begin(&format!("calibrate {to}"), Some(total));
        let scores = sorts
            .iter()
            .map(|sort| scores(estimator, sort, from, to, progress))
            .collect::<Result<Vec<_>, _>>();
        progress.end();
        let [human, copied, truncated, shuffled] = scores?.try_into().expect("four sorts");
        Ok(Self {
            from,
            to,
            estimator: estimator.identity(),
            human,
            copied,
            truncated,
            shuffled,
        })
    }

    /// As [`Calibration::of`]; the scores are kept among the artefacts of the run, and taken from
    /// there if they are of the same estimator and pairs.
    pub fn kept_in(
        place: &Place,
        estimator: &dyn QualityEstimator,
        pairs: &[(String, String)],
        from: Language,
        to: Language,
        progress: &dyn Progress,
    ) -> Result<Self, StageError> {
        let provenance = Provenance {
            stage: "calibration".into(),
            version: VERSION,
            parameters: json!({ "from": from, "to": to }),
            engines: vec![estimator.identity()],
            inputs: [("pairs".to_owned(), Key::of(&pairs).to_string())].into(),
        };
        let name = format!("calibration-{from}-{to}");
        let malformed = |error| StageError::Options(format!("calibration: {error}"));
        let scores = artefacts::kept(place, &name, "scores.json", provenance, || {
            let scores = Self::of(estimator, pairs, from, to, progress)?;
            serde_json::to_vec(&scores).map_err(malformed)
        })?;
        serde_json::from_slice(&scores).map_err(malformed)
    }

    /// The highest score below which at most the share `quantile` of the human translations is.
    pub fn quantile(&self, quantile: f64) -> f64 {
        let last = self.human.len().saturating_sub(1);
        let index = (quantile.clamp(0.0, 1.0) * self.human.len() as f64) as usize;
        self.human.get(index.min(last)).copied().unwrap_or(f64::NAN)
    }

    /// The consequences of a threshold.
    pub fn consequences(&self, min_quality: f64) -> Consequences {
        let accepted = |scores: &[f64]| {
            let passing = scores.iter().filter(|score| **score >= min_quality);
            passing.count() as f64 / scores.len().max(1) as f64
        };
        Consequences {
            min_quality,
            human_rejected: 1.0 - accepted(&self.human),
            copied_accepted: accepted(&self.copied),
            truncated_accepted: accepted(&self.truncated),
            shuffled_accepted: accepted(&self.shuffled),
        }
    }
}

/// The scores of `pairs` in ascending order; what is not a number counts as the lowest.
fn scores(
    estimator: &dyn QualityEstimator,
    pairs: &[(String, String)],
    from: Language,
    to: Language,
    progress: &dyn Progress,
) -> Result<Vec<f64>, EngineError> {
    let mut scores = Vec::with_capacity(pairs.len());
    for some in pairs.chunks(PAIRS_AT_ONCE) {
        let scored = estimator.estimate(some, from, to)?;
        if scored.len() != some.len() {
            let (asked, got) = (some.len(), scored.len());
            let engine = estimator.identity().engine;
            return Err(EngineError::new(
                engine,
                format!("returned {got} scores for {asked} pairs"),
            ));
        }
        scores.extend(scored.into_iter().map(|score| match score.is_nan() {
            true => f64::MIN,
            false => score,
        }));
        progress.advance(some.len() as u64);
    }
    scores.sort_by(f64::total_cmp);
    Ok(scores)
}

/// The first half of a sentence's words.
fn first_half<'t>(words: &WordFinder, text: &'t str) -> &'t str {
    let found = words.words(text);
    match found.len() / 2 {
        0 => text,
        half => &text[..found[half - 1].end],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Scores a pair by the number of words of its translation.
    struct WordCount(AtomicUsize);

    impl QualityEstimator for WordCount {
        fn identity(&self) -> EngineIdentity {
            EngineIdentity {
                engine: "word-count".into(),
                model: String::new(),
                revision: String::new(),
                parameters: String::new(),
                licence: None,
            }
        }

        fn estimate(
            &self,
            pairs: &[(String, String)],
            _: Language,
            _: Language,
        ) -> Result<Vec<f64>, EngineError> {
            self.0.fetch_add(pairs.len(), Ordering::Relaxed);
            let words = |(_, text): &(String, String)| text.split_whitespace().count() as f64;
            Ok(pairs.iter().map(words).collect())
        }
    }

    /// Sentences of 2, 4, … 40 words with sources of one word.
    fn pairs() -> Vec<(String, String)> {
        let sentence = |n: usize| vec!["palavra"; 2 * n].join(" ");
        (1..=20).map(|n| ("word".to_owned(), sentence(n))).collect()
    }

    #[test]
    fn quantiles_and_consequences_are_those_of_the_scores() {
        let estimator = WordCount(AtomicUsize::new(0));
        let (from, to) = (Language::ENGLISH, Language::PORTUGUESE);
        let scores = Calibration::of(&estimator, &pairs(), from, to, &Silent).unwrap();
        assert_eq!(estimator.0.into_inner(), 80);
        assert_eq!((scores.human[0], scores.human[19]), (2.0, 40.0));
        assert_eq!((scores.truncated[0], scores.truncated[19]), (1.0, 20.0));
        assert_eq!(scores.copied, vec![1.0; 20]);
        assert_eq!(scores.shuffled, scores.human);
        assert_eq!(
            (
                scores.quantile(0.0),
                scores.quantile(0.1),
                scores.quantile(1.0)
            ),
            (2.0, 6.0, 40.0)
        );
        let at = scores.consequences(scores.quantile(0.1));
        assert!((at.human_rejected - 0.1).abs() < 1e-9, "{at:?}");
        assert_eq!((at.copied_accepted, at.truncated_accepted), (0.0, 0.75));
    }

    #[test]
    fn kept_scores_are_used_for_the_same_pairs_only() {
        let estimator = WordCount(AtomicUsize::new(0));
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path(), None).unwrap();
        let (from, to) = (Language::ENGLISH, Language::PORTUGUESE);
        let scores = |pairs: &[(String, String)]| {
            Calibration::kept_in(&place, &estimator, pairs, from, to, &Silent).unwrap()
        };
        let first = scores(&pairs());
        assert_eq!(scores(&pairs()), first);
        assert_eq!(estimator.0.load(Ordering::Relaxed), 80);
        assert_eq!(scores(&pairs()[..10]).human.len(), 10);
        assert_eq!(estimator.0.load(Ordering::Relaxed), 120);
    }
}
