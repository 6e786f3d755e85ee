//! The transfer set while it is made: examples as lines without their weights.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::Mixed;
use super::shuffle::Shuffle;
use crate::record::{Example, Subset};
use crate::sampling;
use crate::stage::StageError;

/// What the manifest's details say of a subset of the training part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubsetSummary {
    /// |D_d|.
    pub rows: u64,
    /// Of these, how many answers are the LLM's own.
    pub generated: u64,
    /// Rows of the subset that are held out.
    pub held_out_rows: u64,
    /// Characters of all questions.
    pub question_characters: u64,
    /// Characters of all answers.
    pub answer_characters: u64,
    /// w_d = N / (|U|·|D_d|).
    pub weight: f64,
}

/// Some examples as lines, one after another.
#[derive(Default)]
pub(super) struct Drafts {
    lines: Vec<u8>,
    drafts: Vec<Draft>,
}

/// What is known of an example besides its line.
#[derive(Clone, Copy)]
struct Draft {
    /// Where it comes in the transfer set.
    key: u64,
    /// End of its line.
    end: usize,
    /// For an example of LL: its question, and its rank among those of the question.
    question: Option<(u128, u64)>,
    count: Count,
}

/// What an example adds to the summary of its subset.
#[derive(Clone, Copy)]
struct Count {
    subset: Subset,
    held_out: bool,
    generated: bool,
    question_characters: u32,
    answer_characters: u32,
}

impl Drafts {
    /// The examples, those of questions with the question's identifier.
    pub(super) fn of<'a>(
        examples: impl Iterator<Item = (Mixed, Option<&'a str>)>,
        seed: u64,
    ) -> Result<Drafts, StageError> {
        let mut drafts = Drafts::default();
        for (mixed, question) in examples {
            let Mixed {
                example,
                held_out,
                generated,
            } = mixed;
            write_without_weight(&example, &mut drafts.lines)?;
            let question = question.filter(|_| example.subset == Subset::LL).map(|id| {
                let rank = sampling::shuffle_key(seed, "LL language", &example.id);
                (identity(id), rank)
            });
            let characters = |text: &str| text.chars().count() as u32;
            drafts.drafts.push(Draft {
                key: sampling::shuffle_key(seed, "order", &example.id),
                end: drafts.lines.len(),
                question,
                count: Count {
                    subset: example.subset,
                    held_out,
                    generated,
                    question_characters: characters(&example.question),
                    answer_characters: characters(&example.answer),
                },
            });
        }
        Ok(drafts)
    }
}

/// 128 bits that stand for an identifier.
fn identity(id: &str) -> u128 {
    let hash = blake3::hash(id.as_bytes());
    let (half, _) = hash.as_bytes().split_at(16);
    u128::from_le_bytes(half.try_into().expect("16 bytes"))
}

/// How every example's line ends before its weight is known.
const NO_WEIGHT: &[u8] = b"0.0}";

fn write_without_weight(example: &Example, lines: &mut Vec<u8>) -> Result<(), StageError> {
    debug_assert_eq!(example.weight, 0.0);
    serde_json::to_writer(&mut *lines, example)
        .map_err(|error| StageError::Options(format!("mix: {error}")))?;
    debug_assert!(lines.ends_with(NO_WEIGHT), "the weight comes last");
    lines.truncate(lines.len() - NO_WEIGHT.len());
    Ok(())
}

/// All examples so far, on their way to the order and the weights that they will have.
pub(super) struct TransferSet {
    pub(super) train: Part,
    pub(super) held_out: Part,
    subsets: BTreeMap<Subset, SubsetSummary>,
    /// With several target languages a question has an LL example for each, which differ in the
    /// words that were switched alone. One is kept; the seed decides which.
    questions: FxHashMap<u128, Kept>,
}

/// The LL example of a question so far.
struct Kept {
    rank: u64,
    number: u64,
    count: Count,
}

/// The training part or the held-out part.
pub(super) struct Part {
    shuffle: Shuffle,
    /// Numbers of lines that another took the place of.
    replaced: FxHashSet<u64>,
    sizes: BTreeMap<Subset, u64>,
}

impl TransferSet {
    pub(super) fn new(train: Shuffle, held_out: Shuffle) -> TransferSet {
        let part = |shuffle| Part {
            shuffle,
            replaced: FxHashSet::default(),
            sizes: BTreeMap::new(),
        };
        TransferSet {
            train: part(train),
            held_out: part(held_out),
            subsets: BTreeMap::new(),
            questions: FxHashMap::default(),
        }
    }

    /// Adds examples.
    pub(super) fn add(&mut self, drafts: &Drafts) -> Result<(), StageError> {
        let mut start = 0;
        for draft in &drafts.drafts {
            let line = &drafts.lines[start..draft.end];
            start = draft.end;
            let Some((question, rank)) = draft.question else {
                self.insert(draft, line)?;
                continue;
            };
            let kept = self.questions.get(&question);
            if kept.is_some_and(|kept| kept.rank <= rank) {
                continue;
            }
            let number = self.insert(draft, line)?;
            let kept = Kept {
                rank,
                number,
                count: draft.count,
            };
            if let Some(former) = self.questions.insert(question, kept) {
                self.part(former.count.held_out)
                    .replaced
                    .insert(former.number);
                self.count(former.count, u64::wrapping_sub);
            }
        }
        Ok(())
    }

    fn insert(&mut self, draft: &Draft, line: &[u8]) -> Result<u64, StageError> {
        self.count(draft.count, u64::wrapping_add);
        let subset = draft.count.subset;
        let part = self.part(draft.count.held_out);
        part.shuffle.add(draft.key, subset, line)
    }

    fn part(&mut self, held_out: bool) -> &mut Part {
        match held_out {
            true => &mut self.held_out,
            false => &mut self.train,
        }
    }

    /// Adds an example to the counts, or takes it out of them.
    fn count(&mut self, count: Count, change: fn(u64, u64) -> u64) {
        let size = self
            .part(count.held_out)
            .sizes
            .entry(count.subset)
            .or_default();
        *size = change(*size, 1);
        let summary = self.subsets.entry(count.subset).or_default();
        if count.held_out {
            summary.held_out_rows = change(summary.held_out_rows, 1);
            return;
        }
        let SubsetSummary {
            rows,
            generated,
            question_characters,
            answer_characters,
            ..
        } = summary;
        for (sum, value) in [
            (rows, 1),
            (generated, u64::from(count.generated)),
            (question_characters, u64::from(count.question_characters)),
            (answer_characters, u64::from(count.answer_characters)),
        ] {
            *sum = change(*sum, value);
        }
    }

    /// What the manifest says of every subset.
    pub(super) fn summaries(&self) -> BTreeMap<&'static str, SubsetSummary> {
        let weights = self.train.weights();
        let with_weight = |(subset, summary): (&Subset, &SubsetSummary)| {
            let weight = weights.get(subset).copied().unwrap_or(0.0);
            let summary = summary.clone();
            (subset.name(), SubsetSummary { weight, ..summary })
        };
        self.subsets.iter().map(with_weight).collect()
    }
}

impl Part {
    /// Number of examples.
    pub(super) fn len(&self) -> u64 {
        self.sizes.values().sum()
    }

    /// The weight of every example of subset d, w_d = N / (|U|·|D_d|) (section 3.2.5), where U are
    /// the subsets that have examples: the mean over all examples of weight times loss is then
    /// 1/|U| · Σ_d 1/|D_d| Σ loss, the paper's loss up to the constant |U|.
    fn weights(&self) -> BTreeMap<Subset, f64> {
        let sizes = self.sizes.iter().filter(|(_, size)| **size > 0);
        let subsets = sizes.clone().count() as f64;
        let weight = |size: u64| self.len() as f64 / (subsets * size as f64);
        sizes
            .map(|(&subset, &size)| (subset, weight(size)))
            .collect()
    }

    /// Hands every line, whole now, to `write`.
    pub(super) fn in_order(
        self,
        mut write: impl FnMut(&[u8]) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let weights: BTreeMap<Subset, String> = self
            .weights()
            .into_iter()
            .map(|(subset, weight)| (subset, format!("{}}}\n", serde_json::json!(weight))))
            .collect();
        self.shuffle.in_order(|subset, number, line| {
            if self.replaced.contains(&number) {
                return Ok(());
            }
            write(line)?;
            write(weights[&subset].as_bytes())
        })
    }
}
