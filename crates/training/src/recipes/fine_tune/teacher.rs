//! The teacher's distributions over the answers of distilled examples: xCoT and token-level
//! self-distillation.
//!
//! The teacher is the LLM before training. It reads the question in the source language and the
//! example's answer; of each answer token it keeps the most probable tokens. This happens once, and
//! the result is kept on disk.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use artefacts::{Key, Provenance};
use corpus::progress::Progress;
use corpus::record::Example;
use kernels::{IGNORE, PackedLinear, Precision, Teacher, top_tokens};
use models::Network;

use super::batch::Batch;
use super::config::TrainConfig;
use super::encode::Encoded;
use super::shared_prompts::common;
use crate::run::pack;
use crate::states::{Layout, States, StatesError};

/// Raised whenever a code change affects the distributions.
const VERSION: u32 = 1;

/// Everything that decides the distributions of the teacher of revision `model` over the answers of
/// the distilled ones among `examples`; `None` if there are none.
pub fn teacher_provenance(
    config: &TrainConfig,
    model: &str,
    examples: &[&[Example]],
) -> Option<Provenance> {
    let distilled = examples.iter().copied().flatten();
    let distilled = distilled.filter_map(|e| Some((e.teacher_question.as_ref()?, &e.answer)));
    let distilled: Vec<_> = distilled.collect();
    if distilled.is_empty() {
        return None;
    }
    let inputs = [
        ("model", model.to_owned()),
        ("questions and answers", Key::of(&distilled).to_string()),
    ];
    Some(Provenance {
        stage: "teacher's distributions".to_owned(),
        version: VERSION,
        parameters: serde_json::json!({
            "top_k": config.distil_top_k,
            "precision": config.precision,
            "system": config.system,
            "max_length": config.max_length,
            "excess_length": config.excess_length,
        }),
        engines: Vec::new(),
        inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
    })
}

/// The teacher's distributions over the answers of a list of examples.
#[derive(Debug, Clone)]
pub struct Taught {
    states: Arc<States>,
    /// The item of the states of each example; `None` if it has no teacher.
    items: Vec<Option<usize>>,
    /// Number of most probable tokens.
    count: usize,
}

impl Taught {
    /// Computes the distributions that `teacher`, which tracks no gradients, gives the examples of
    /// `sets`, in `folder` unless they are there. Returns them for each of the sets.
    ///
    /// A killed process resumes, and ends with the same bytes.
    pub fn make<const N: usize>(
        teacher: &Network,
        sets: [&[Encoded]; N],
        config: &TrainConfig,
        provenance: &Provenance,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<[Taught; N], StatesError> {
        // Examples with the same question and answer in the source language share an item.
        let mut known: HashMap<(Vec<u32>, usize), usize> = HashMap::new();
        let mut questions = Vec::new();
        let mut item = |example: &Encoded| {
            let question = example.as_taught()?;
            let key = (question.ids.clone(), question.answer_start);
            let next = known.len();
            let item = *known.entry(key).or_insert(next);
            if item == next {
                questions.push(question);
            }
            Some(item)
        };
        let items = sets.map(|set| set.iter().map(&mut item).collect::<Vec<_>>());

        let [vocabulary, _] = teacher.output_weight().dims();
        let count = config.distil_top_k.min(vocabulary);
        let rows = questions.iter().map(|question| question.answer_tokens());
        let layout = Layout {
            width: 2 * count,
            rows: rows.map(|tokens| tokens as u32).collect(),
        };
        let mut output = None;
        let compute = |range: Range<usize>| {
            let output = output.get_or_insert_with(|| output_layer(teacher, config.precision));
            let chunk = &questions[range];
            Ok::<_, StatesError>(distributions(teacher, output, chunk, count, config))
        };
        let states = Arc::new(States::make(
            folder, provenance, &layout, compute, progress,
        )?);
        Ok(items.map(|items| Taught {
            states: states.clone(),
            items,
            count,
        }))
    }

    /// Whether a teacher teaches the example.
    pub fn teaches(&self, example: usize) -> bool {
        self.items[example].is_some()
    }

    /// The distributions for `batch`, which consists of `examples`; `weight` returns the weight of
    /// the divergence of each answer token of an example.
    pub fn of_batch(
        &self,
        batch: &Batch,
        examples: &[usize],
        weight: impl Fn(usize) -> f64,
    ) -> Result<Teacher, StatesError> {
        let mut taught: Vec<(Range<usize>, usize)> = examples
            .iter()
            .zip(&batch.segment_of_example)
            .filter(|(example, _)| self.teaches(**example))
            .map(|(&example, &segment)| (batch.segments.range(segment), example))
            .collect();
        taught.sort_by_key(|(range, _)| range.start);
        let mut teacher = Teacher {
            count: self.count,
            ..Teacher::default()
        };
        for (range, example) in taught {
            let item = self.items[example].expect("only taught examples are left");
            let rows = range.filter(|&row| batch.targets[row] != IGNORE);
            let before = teacher.rows.len();
            teacher.rows.extend(rows);
            for row in self.states.read(item)?.chunks_exact(2 * self.count) {
                let (tokens, log_probabilities) = row.split_at(self.count);
                teacher.tokens.extend(tokens.iter().map(|&id| id as u32));
                teacher.log_probabilities.extend(log_probabilities);
            }
            let tokens = teacher.rows.len() - before;
            let weights = std::iter::repeat_n(weight(example) as f32, tokens);
            teacher.weights.extend(weights);
        }
        Ok(teacher)
    }
}

/// The output layer of the teacher, read for every token.
fn output_layer(teacher: &Network, precision: Precision) -> PackedLinear {
    let format = match precision {
        // The loss, too, has an output layer of at least 16 bits.
        Precision::Int8 => Precision::Bf16,
        precision => precision,
    };
    PackedLinear::new(teacher.output_weight(), None, format)
}

/// The distributions over all answers, one token after another: the ids of the most probable tokens
/// as numbers (exact below 2^24), then their log-probabilities.
fn distributions(
    teacher: &Network,
    output: &PackedLinear,
    questions: &[Encoded],
    count: usize,
    config: &TrainConfig,
) -> Vec<f32> {
    let all: Vec<usize> = (0..questions.len()).collect();
    let cost = |item: usize, beside: &[usize]| {
        let shared = beside
            .iter()
            .map(|&other| common(&questions[item], &questions[other]));
        questions[item].input_tokens() - shared.max().unwrap_or(0)
    };
    let mut rows: Vec<Vec<f32>> = vec![Vec::new(); questions.len()];
    for pass in pack(&all, config.tokens_per_batch, cost) {
        let members: Vec<&Encoded> = pass.iter().map(|&item| &questions[item]).collect();
        let batch = Batch::new(&members, true, |_| 1.0);
        let hidden = config.precision.scope(|| {
            kernels::together(&teacher.device(), || {
                teacher.forward(&batch.ids, &batch.segments)
            })
        });
        for (&item, &segment) in pass.iter().zip(&batch.segment_of_example) {
            let range = batch.segments.range(segment);
            let answer = range.filter(|&row| batch.targets[row] != IGNORE);
            let (start, end) = (answer.clone().min(), answer.max());
            let (Some(start), Some(end)) = (start, end) else {
                continue;
            };
            // The answer's tokens are one after another.
            let hidden = hidden.clone().slice_dim(0, start..end + 1);
            let apart = vec![Vec::new(); end + 1 - start];
            for token in top_tokens(output, hidden, count, &apart) {
                let best = || token.best.iter();
                rows[item].extend(best().map(|(id, _)| *id as f32));
                rows[item].extend(best().map(|(_, logit)| logit - token.log_sum));
            }
        }
    }
    rows.concat()
}
