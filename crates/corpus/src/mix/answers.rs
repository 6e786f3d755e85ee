//! The four subsets of questions and answers (sections 3.2.1 and 3.2.2).

use super::Mixed;
use super::choice::Choice;
use super::config::{AnswerDirective, MixConfig, Sampling};
use super::directive::answer_in;
use super::split::Part;
use crate::language::Language;
use crate::record::{CodeSwitched, Example, Subset, TextPair};

/// The subsets in the order of [`CodeSwitched::questions`], with whether the question and whether
/// the answer is translated.
const SUBSETS: [(Subset, bool, bool); 4] = [
    (Subset::LL, false, false),
    (Subset::TL, true, false),
    (Subset::LT, false, true),
    (Subset::TT, true, true),
];

/// The examples of a row with the answers of `choice`. A subset whose translation was rejected has
/// none.
pub(super) fn examples(
    row: &CodeSwitched,
    source: Language,
    choice: &Choice<'_>,
    config: &MixConfig,
) -> Vec<Mixed> {
    let answers = choice.of(row);
    let row = Row {
        part: Part::of(&row.row.question.source, config),
        row,
        source,
        config,
    };
    let given = answers.given.then_some((&row.row.row.answer, false));
    let own = row.row.row.generated.as_ref().filter(|_| answers.own);
    let taken = given.into_iter().chain(own.map(|own| (own, true)));
    taken
        .flat_map(|(answer, generated)| {
            let wanted = (0..SUBSETS.len()).filter(|&index| config.wants(SUBSETS[index].0));
            wanted.filter_map({
                let row = &row;
                move |index| row.example(index, answer, generated)
            })
        })
        .collect()
}

struct Row<'a> {
    row: &'a CodeSwitched,
    part: Part,
    source: Language,
    config: &'a MixConfig,
}

impl Row<'_> {
    fn example(&self, index: usize, answer: &TextPair, generated: bool) -> Option<Mixed> {
        let (subset, question_translated, answer_translated) = SUBSETS[index];
        let CodeSwitched { row, questions } = self.row;
        let language = |translated| if translated { row.target } else { self.source };
        let (question_language, answer_language) =
            (language(question_translated), language(answer_translated));
        let question = match (self.config.code_switched, question_translated) {
            (true, _) => questions[index].as_ref()?,
            (false, true) => row.question.translation.as_ref()?,
            (false, false) => &row.question.source,
        };
        let question = match self.config.answer_directive {
            AnswerDirective::CrossLingual if question_language != answer_language => {
                let directive = answer_in(answer_language, question_language, self.source);
                format!("{question}\n{directive}")
            }
            _ => question.clone(),
        };
        let answer = match answer_translated {
            true => answer.translation.clone()?,
            false => answer.source.clone(),
        };
        // A question that may have both answers needs two names.
        let own = match generated && self.config.sampling != Sampling::OneOfTwo {
            true => "/own",
            false => "",
        };
        let teacher = self.config.distilled.contains(&subset);
        Some(Mixed {
            example: Example {
                id: format!("{}/{}/{}{own}", row.id, row.target, subset.name()),
                subset,
                question_language,
                answer_language,
                question,
                answer,
                teacher_question: teacher.then(|| row.question.source.clone()),
            },
            part: self.part,
            generated,
        })
    }
}
