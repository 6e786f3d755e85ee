//! What the model under training writes: answers to held-out questions, to choose the checkpoint by.

use std::collections::BTreeSet;

use artefacts::training::Losses;
use corpus::chrf::{BETA, CHAR_ORDER, ChrfStatistics, WORD_ORDER_PLUS_PLUS};
use corpus::language::Language;
use corpus::record::{Example, Subset};
use corpus::seam::{Identification, LanguageIdentifier};
use models::generation::{GenerationOptions, Prompt, generate_each};
use models::{LanguageModel, NamedLinears, Precision};

use super::config::ChooseBy;
use super::encode::Encoded;

/// Names of the measures among the held-out losses.
pub const CHRF: &str = "chrf++";
pub const OFF_TARGET: &str = "off_target";

/// Maximum number of questions that are answered at an evaluation.
const QUESTIONS: usize = 48;

/// Tokens that an answer may have beyond twice those of the given one.
const SPARE_TOKENS: usize = 16;

/// Held-out questions to be answered in the target languages.
pub struct Written<'a> {
    questions: Vec<Question>,
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
    /// The questions of TT and of translations into the target languages, the first of `encoded`,
    /// which are the `examples` that fit.
    pub fn new(
        encoded: &[Encoded],
        examples: &[Example],
        identifier: Option<&'a dyn LanguageIdentifier>,
    ) -> Self {
        let answered_in_target = [Subset::LT, Subset::TT, Subset::Comp, Subset::Native];
        let targets: BTreeSet<Language> = examples
            .iter()
            .filter(|example| answered_in_target.contains(&example.subset))
            .map(|example| example.answer_language)
            .collect();
        let mut examples = examples.iter();
        let questions = encoded.iter().filter_map(|encoded| {
            let example = examples.find(|example| example.id == encoded.id)?;
            let written = [Subset::TT, Subset::Mt].contains(&example.subset);
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
        Self {
            questions: questions.take(QUESTIONS).collect(),
            identifier,
        }
    }

    /// Whether there are questions to choose a checkpoint by.
    pub fn can_be_measured(&self, choose_by: ChooseBy) -> bool {
        let mut questions = self.questions.iter();
        match choose_by {
            ChooseBy::Loss => true,
            ChooseBy::Chrf => questions.next().is_some(),
            ChooseBy::OffTarget => self.identifier.is_some() && questions.any(|q| q.open),
        }
    }

    /// The mean chrF++ of the model's answers against the given ones and, with an identifier, the
    /// share of answers to open questions that are in another language. Without questions, none.
    pub fn measures(&self, model: &LanguageModel) -> Losses {
        let prompts: Vec<Prompt> = self.questions.iter().map(|q| q.prompt.clone()).collect();
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
            let statistics =
                ChrfStatistics::new(written, &question.answer, CHAR_ORDER, WORD_ORDER_PLUS_PLUS);
            chrf.push(statistics.score(BETA));
            if let Some(identifier) = self.identifier.filter(|_| question.open) {
                off_target.push(f64::from(is_elsewhere(
                    identifier,
                    written,
                    question.language,
                )));
            }
        }
        let mean = |name: &str, values: Vec<f64>| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (!values.is_empty()).then(|| (name.to_owned(), mean))
        };
        let measures = [mean(CHRF, chrf), mean(OFF_TARGET, off_target)];
        measures.into_iter().flatten().collect()
    }
}

/// Whether a text is identified as another language.
fn is_elsewhere(identifier: &dyn LanguageIdentifier, text: &str, wanted: Language) -> bool {
    match identifier.identify(text) {
        Identification::Abstained => false,
        Identification::Identified {
            language,
            probability,
        } => {
            language != wanted
                && identifier.knows(wanted)
                && probability >= identifier.default_min_probability()
        }
    }
}
