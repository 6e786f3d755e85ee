//! Native text as the answer of an instruction made backwards.

use rustc_hash::FxHashSet;

use super::config::MixConfig;
use super::split::Part;
use super::{MixInputs, Mixed, SentenceTasks, contamination};
use crate::language::Language;
use crate::record::{Example, Subset};
use crate::rejected::Rejected;
use crate::stage::StageError;

/// Adds an example for each row: the translated instruction is the question, the passage the answer.
///
/// An instruction that an earlier row has, too, is passed over: weak LLMs write the same for many
/// passages, and a question has one answer. So is a passage that is one of the sentences `of_pairs`,
/// which might be in another part.
pub(super) fn add(
    set: &mut SentenceTasks,
    inputs: &MixInputs<'_>,
    of_pairs: &FxHashSet<(Language, &String)>,
    config: &MixConfig,
) -> Result<(), StageError> {
    let Some(rows) = inputs
        .native
        .as_ref()
        .filter(|_| config.wants(Subset::Native))
    else {
        return Ok(());
    };
    let mut seen = FxHashSet::default();
    for row in rows.iter()? {
        let row = row?;
        if let Some(rejected) = contamination::of_row(inputs.evaluation, &row) {
            set.rejected.push(rejected);
            continue;
        }
        let (Some(question), Some(passage)) = (&row.question.translation, &row.answer.translation)
        else {
            continue;
        };
        let repeated = if of_pairs.contains(&(row.target, passage)) {
            Some(("answer", "repeated_sentence", "a pair has the passage"))
        } else if !seen.insert((row.target, question.clone())) {
            let detail = "an earlier passage has the same instruction";
            Some(("question", "repeated_question", detail))
        } else {
            None
        };
        if let Some((field, reason, detail)) = repeated {
            set.rejected.push(Rejected {
                id: row.id.clone(),
                stage: "mix".into(),
                field: field.into(),
                reason: reason.into(),
                detail: detail.into(),
                row: serde_json::to_value(&row).unwrap_or_default(),
            });
            continue;
        }
        let example = Example {
            id: format!("{}/{}", row.id, Subset::Native.name()),
            subset: Subset::Native,
            question_language: row.target,
            answer_language: row.target,
            question: question.clone(),
            answer: passage.clone(),
            teacher_question: None,
        };
        // As for comp, so that a passage of both is in one part.
        let part = Part::of(passage, config);
        set.examples.push(Mixed {
            example,
            part,
            generated: false,
        });
    }
    Ok(())
}
