//! The transfer set while it is made: examples as lines, each with its place in the order.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::Mixed;
use super::split::Part;
use crate::record::Subset;
use crate::sampling;
use crate::stage::StageError;

/// A subset of the transfer set, as the manifest's details describe it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubsetSummary {
    /// Rows in the training part, |D_d|.
    pub rows: u64,
    /// Of these, rows whose answer is the LLM's own.
    pub generated: u64,
    /// Rows that are held out to choose the checkpoint.
    pub held_out_rows: u64,
    /// Rows that are held out for the evaluation alone.
    #[serde(default)]
    pub test_rows: u64,
    /// Characters of all questions in the training part.
    pub question_characters: u64,
    /// Characters of all answers in the training part.
    pub answer_characters: u64,
}

/// An example as its line, with what else is known of it.
pub(super) struct Draft {
    /// Decides its place in the transfer set.
    key: u64,
    line: Vec<u8>,
    subset: Subset,
    part: Part,
    generated: bool,
    question_characters: u64,
    answer_characters: u64,
    /// For an example of LL: its question and whether the answer is the LLM's own, and its rank
    /// among those examples.
    question: Option<((String, bool), u64)>,
}

impl Draft {
    /// The draft of an example, and for one of a question, the question's identifier.
    pub(super) fn of(mixed: Mixed, question: Option<&str>, seed: u64) -> Result<Draft, StageError> {
        let Mixed {
            example,
            part,
            generated,
        } = mixed;
        let question = question.filter(|_| example.subset == Subset::LL);
        Ok(Draft {
            key: sampling::shuffle_key(seed, "order", &example.id),
            line: line(&example)?,
            subset: example.subset,
            part,
            generated,
            question_characters: example.question.chars().count() as u64,
            answer_characters: example.answer.chars().count() as u64,
            question: question.map(|id| {
                let rank = sampling::shuffle_key(seed, "LL language", &example.id);
                ((id.to_owned(), generated), rank)
            }),
        })
    }
}

/// The line of a file for `value`.
pub(super) fn line(value: &impl Serialize) -> Result<Vec<u8>, StageError> {
    let line = serde_json::to_vec(value);
    let mut line = line.map_err(|error| StageError::Options(format!("mix: {error}")))?;
    line.push(b'\n');
    Ok(line)
}

/// All examples so far.
#[derive(Default)]
pub(super) struct TransferSet {
    drafts: Vec<Draft>,
    /// With several target languages a question has an LL example for each, which differ in the
    /// words that were switched alone. The one of the lowest rank is kept: its rank and its place.
    questions: FxHashMap<(String, bool), (u64, usize)>,
}

impl TransferSet {
    pub(super) fn add(&mut self, mut draft: Draft) {
        let Some((question, rank)) = draft.question.take() else {
            return self.drafts.push(draft);
        };
        match self.questions.get_mut(&question) {
            Some((kept, _)) if *kept <= rank => {}
            Some((kept, place)) => {
                *kept = rank;
                self.drafts[*place] = draft;
            }
            None => {
                self.questions.insert(question, (rank, self.drafts.len()));
                self.drafts.push(draft);
            }
        }
    }

    /// Brings the examples into their order.
    pub(super) fn sort(&mut self) {
        self.drafts
            .sort_unstable_by(|a, b| (a.key, &a.line).cmp(&(b.key, &b.line)));
    }

    /// The lines of a part.
    pub(super) fn lines(&self, part: Part) -> impl Iterator<Item = &[u8]> {
        let drafts = self.drafts.iter();
        let drafts = drafts.filter(move |draft| draft.part == part);
        drafts.map(|draft| draft.line.as_slice())
    }

    /// The summary of every subset, for the manifest.
    pub(super) fn summaries(&self) -> BTreeMap<&'static str, SubsetSummary> {
        let mut summaries: BTreeMap<_, SubsetSummary> = BTreeMap::new();
        for draft in &self.drafts {
            let summary = summaries.entry(draft.subset.name()).or_default();
            match draft.part {
                Part::Train => summary.rows += 1,
                Part::Validation => summary.held_out_rows += 1,
                Part::Test => summary.test_rows += 1,
            }
            if draft.part != Part::Train {
                continue;
            }
            summary.generated += u64::from(draft.generated);
            summary.question_characters += draft.question_characters;
            summary.answer_characters += draft.answer_characters;
        }
        summaries
    }
}
