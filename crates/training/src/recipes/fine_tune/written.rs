//! What the model under training writes: answers to held-out questions, to see what it learns or to
//! choose the checkpoint by.

use std::collections::BTreeSet;

use artefacts::training::{HeldOutLoss, Interval};
use corpus::chrf::{BETA, CHAR_ORDER, ChrfStatistics, WORD_ORDER_PLUS_PLUS};
use corpus::language::Language;
use corpus::record::{Example, Subset};
use corpus::seam::{Identification, LanguageIdentifier};
use models::generation::{GenerationOptions, Prompt, generate_each};
use models::{LanguageModel, NamedLinears, Precision};

use super::config::{TrainConfig, WrittenMeasure};
use super::encode::Encoded;
use super::intervals;

/// Maximum number of questions that are answered at an evaluation.
const QUESTIONS: usize = 48;

/// Tokens that an answer may have beyond twice those of the given one.
const SPARE_TOKENS: usize = 16;

/// Held-out questions to be answered in the target languages.
pub struct Written<'a> {
    questions: Vec<Question>,
    measures_chrf: bool,
    /// `None` if the language of answers is not measured.
    identifier: Option<&'a dyn LanguageIdentifier>,
}

struct Question {
    prompt: Prompt,
    answer: String,
    language: Language,
    /// Whether the question is in the language of the answer.
    open: bool,
}

impl<'a> Written<'a> {
    /// The questions for what `config` measures: those of TT and, for chrF++, of translations into
    /// the target languages, the first of `encoded`, which are the `examples` that fit.
    pub fn new(
        encoded: &[Encoded],
        examples: &[Example],
        config: &TrainConfig,
        identifier: Option<&'a dyn LanguageIdentifier>,
    ) -> Self {
        let measures_chrf = config.measures(WrittenMeasure::Chrf);
        let asked: &[Subset] = match measures_chrf {
            true => &[Subset::TT, Subset::Mt],
            false => &[Subset::TT],
        };
        let answered_in_target = [Subset::LT, Subset::TT, Subset::Comp];
        let targets: BTreeSet<Language> = examples
            .iter()
            .filter(|example| answered_in_target.contains(&example.subset))
            .map(|example| example.answer_language)
            .collect();
        let mut examples = examples.iter();
        let questions = encoded.iter().filter_map(|encoded| {
            let example = examples.find(|example| example.id == encoded.id)?;
            let written = asked.contains(&example.subset);
            (written && targets.contains(&example.answer_language)).then(|| Question {
                prompt: Prompt {
                    ids: encoded.ids[..encoded.answer_start].to_vec(),
                    max_new_tokens: Some(2 * encoded.answer_tokens() + SPARE_TOKENS),
                    stop: Vec::new(),
                },
                answer: example.answer.clone(),
                language: example.answer_language,
                open: example.subset == Subset::TT,
            })
        });
        let measures_language = config.measures(WrittenMeasure::OffTarget);
        Self {
            questions: questions.take(QUESTIONS).collect(),
            measures_chrf,
            identifier: identifier.filter(|_| measures_language),
        }
    }

    /// Whether there are questions for a measure.
    pub fn can_be_measured(&self, measure: WrittenMeasure) -> bool {
        let mut questions = self.questions.iter();
        match measure {
            WrittenMeasure::Chrf => self.measures_chrf && questions.next().is_some(),
            WrittenMeasure::OffTarget => questions.any(|question| self.judge(question).is_some()),
        }
    }

    /// The identifier, if the language of the answer to `question` counts.
    fn judge(&self, question: &Question) -> Option<&'a dyn LanguageIdentifier> {
        let knows = |judge: &&dyn LanguageIdentifier| judge.knows(question.language);
        self.identifier.filter(|_| question.open).filter(knows)
    }

    /// Adds to `held_out` what is measured: the mean chrF++ of the model's answers against the given
    /// ones, and the share of answers to open questions that are in another language. Without
    /// questions, nothing.
    pub fn measure(&self, model: &LanguageModel, held_out: &mut HeldOutLoss) {
        let prompts: Vec<Prompt> = self.questions.iter().map(|q| q.prompt.clone()).collect();
        if prompts.is_empty() {
            return;
        }
        let packed = match model.network.is_packed() {
            true => None,
            false => Some(model.packed(Precision::Bf16)),
        };
        let model = packed.as_ref().unwrap_or(model);
        let generated = generate_each(model, &prompts, &GenerationOptions::default(), &mut |_| {});
        let mut chrf = Vec::new();
        let mut off_target = Vec::new();
        for (question, generated) in self.questions.iter().zip(generated) {
            // What cannot be decoded is no answer.
            let written = model.tokenizer.decode(&generated.ids).unwrap_or_default();
            let written = written.trim();
            if self.measures_chrf {
                let statistics = ChrfStatistics::new(
                    written,
                    &question.answer,
                    CHAR_ORDER,
                    WORD_ORDER_PLUS_PLUS,
                );
                chrf.push(statistics.score(BETA));
            }
            if let Some(identifier) = self.judge(question) {
                let language = question.language;
                off_target.push(f64::from(is_elsewhere(identifier, written, language)));
            }
        }
        let mut add = |measure: WrittenMeasure, values: &[f64], interval: Option<Interval>| {
            if values.is_empty() {
                return;
            }
            let name = measure.key().to_owned();
            held_out.losses.insert(name.clone(), mean(values));
            if let Some(interval) = interval {
                held_out.intervals.insert(name, interval);
            }
        };
        let interval = intervals::of_mean(&chrf);
        add(WrittenMeasure::Chrf, &chrf, interval);
        let interval = intervals::of_share(mean(&off_target), off_target.len());
        add(WrittenMeasure::OffTarget, &off_target, interval);
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Whether a text is identified as another language.
fn is_elsewhere(identifier: &dyn LanguageIdentifier, text: &str, wanted: Language) -> bool {
    match identifier.identify(text) {
        Identification::Abstained => false,
        Identification::Identified {
            language,
            probability,
        } => language != wanted && probability >= identifier.default_min_probability(),
    }
}
