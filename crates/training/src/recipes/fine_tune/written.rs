//! What the model under training writes: answers to held-out questions, to see what it learns or to
//! choose the checkpoint by.

use std::collections::{BTreeMap, BTreeSet};

use artefacts::training::{HeldOutLoss, Interval};
use corpus::chrf::{BETA, CHAR_ORDER, ChrfStatistics, WORD_ORDER_PLUS_PLUS};
use corpus::language::Language;
use corpus::record::{Example, Subset};
use corpus::seam::{Identification, LanguageIdentifier};
use models::generation::{GenerationOptions, Prompt, generate_each};
use models::{LanguageModel, NamedLinears, Precision};

use super::config::{ChooseBy, TrainConfig, WrittenMeasure};
use super::encode::Encoded;
use super::intervals;

/// Maximum number of questions that are answered at an evaluation: of all languages together if the
/// checkpoint is chosen by the answers, otherwise of each.
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
        let answered_in_target = [Subset::LT, Subset::TT, Subset::Comp, Subset::Native];
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
        let is_apart = config.choose_by == ChooseBy::Loss;
        let mut counts = BTreeMap::<Option<Language>, usize>::new();
        let questions = questions.filter(|question| {
            let own = is_apart.then_some(question.language);
            let count = counts.entry(own).or_default();
            *count += 1;
            *count <= QUESTIONS
        });
        let measures_language = config.measures(WrittenMeasure::OffTarget);
        Self {
            questions: questions.collect(),
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
    /// ones, and the share of answers to open questions that are in another language; of several
    /// languages, for each, too. Without questions, nothing.
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
        let mut chrf = Values::new();
        let mut off_target = Values::new();
        for (question, generated) in self.questions.iter().zip(generated) {
            // What cannot be decoded is no answer.
            let written = model.tokenizer.decode(&generated.ids).unwrap_or_default();
            let written = written.trim();
            let language = question.language;
            if self.measures_chrf {
                let reference = &question.answer;
                let statistics =
                    ChrfStatistics::new(written, reference, CHAR_ORDER, WORD_ORDER_PLUS_PLUS);
                chrf.push((language, statistics.score(BETA)));
            }
            if let Some(identifier) = self.judge(question) {
                let is_elsewhere = is_elsewhere(identifier, written, language);
                off_target.push((language, f64::from(is_elsewhere)));
            }
        }
        add(held_out, WrittenMeasure::Chrf, &chrf, intervals::of_mean);
        add(held_out, WrittenMeasure::OffTarget, &off_target, |values| {
            intervals::of_share(mean(values), values.len())
        });
    }
}

/// The value of each answer, with its language.
type Values = Vec<(Language, f64)>;

/// Adds the mean of `values` and its interval to `held_out`; of several languages, those of each,
/// too, with its code before the measure's name.
fn add(
    held_out: &mut HeldOutLoss,
    measure: WrittenMeasure,
    values: &Values,
    interval: impl Fn(&[f64]) -> Option<Interval>,
) {
    let languages: BTreeSet<Language> = values.iter().map(|(language, _)| *language).collect();
    let each = languages.iter().copied().map(Some);
    for one in each.filter(|_| languages.len() > 1).chain([None]) {
        let own = values.iter();
        let own = own.filter(|(language, _)| one.is_none_or(|one| one == *language));
        let own: Vec<f64> = own.map(|(_, value)| *value).collect();
        if own.is_empty() {
            continue;
        }
        let name = match one {
            Some(language) => format!("{}.{}", language.code(), measure.key()),
            None => measure.key().to_owned(),
        };
        if let Some(interval) = interval(&own) {
            held_out.intervals.insert(name.clone(), interval);
        }
        held_out.losses.insert(name, mean(&own));
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
