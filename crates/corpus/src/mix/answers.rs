//! The four subsets of questions and answers (sections 3.2.1 and 3.2.2).

use super::Mixed;
use super::config::{AnswerDirective, MixConfig};
use super::directive::answer_in;
use crate::language::Language;
use crate::record::{CodeSwitched, Example, Subset, TextPair};
use crate::sampling;

/// The subsets in the order of [`CodeSwitched::questions`], with whether the question and whether
/// the answer is translated.
const SUBSETS: [(Subset, bool, bool); 4] = [
    (Subset::LL, false, false),
    (Subset::TL, true, false),
    (Subset::LT, false, true),
    (Subset::TT, true, true),
];

/// The examples of a row. A subset whose translation was rejected has none.
pub(super) fn examples(row: &CodeSwitched, source: Language, config: &MixConfig) -> Vec<Mixed> {
    let CodeSwitched { row, questions } = row;
    let plain_question = &row.question.source;
    // The same for all subsets and target languages of a question.
    let prefers_generated =
        sampling::uniform(config.seed, "generated answer", &row.id) < config.generated_fraction;
    let held_out = is_held_out(plain_question, config);

    let example = |index: usize| {
        let (subset, question_translated, answer_translated) = SUBSETS[index];
        let question = match (config.code_switched, question_translated) {
            (true, _) => questions[index].as_ref()?,
            (false, true) => row.question.translation.as_ref()?,
            (false, false) => plain_question,
        };
        let language = |translated| if translated { row.target } else { source };
        let (question_language, answer_language) =
            (language(question_translated), language(answer_translated));
        let question = match config.answer_directive {
            AnswerDirective::CrossLingual if question_language != answer_language => {
                format!(
                    "{question}\n{}",
                    answer_in(answer_language, question_language, source)
                )
            }
            _ => question.clone(),
        };
        let of = |pair: &TextPair| match answer_translated {
            true => pair.translation.clone(),
            false => Some(pair.source.clone()),
        };
        let generated = row
            .generated
            .as_ref()
            .filter(|_| prefers_generated)
            .and_then(of);
        let is_generated = generated.is_some();
        let example = Example {
            id: format!("{}/{}/{}", row.id, row.target, subset.name()),
            subset,
            question_language,
            answer_language,
            question,
            answer: generated.or_else(|| of(&row.answer))?,
        };
        Some(Mixed {
            example,
            held_out,
            generated: is_generated,
        })
    };
    (0..SUBSETS.len())
        .filter(|&index| config.wants(SUBSETS[index].0))
        .filter_map(example)
        .collect()
}

/// Whether everything made of this source-language text is held out. The text decides, not its
/// identifier, so that a question that occurs twice is on one side.
pub(super) fn is_held_out(text: &str, config: &MixConfig) -> bool {
    sampling::uniform(config.seed, "held out", text) < config.held_out_fraction
}
