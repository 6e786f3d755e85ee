//! A classifier: a backbone with heads for one or more tasks.

mod head;

use std::collections::BTreeMap;

use burn::Tensor;
use burn::tensor::activation::softmax;
use rayon::prelude::*;

pub use head::{Head, HeadKind};

use crate::backbone::{Backbone, BackboneNetwork};
use crate::text_input::{EncodedText, TextInput, TextInputError, passes};

/// Approximate number of tokens in one pass; bounds memory. A longer text gets its own pass.
const TOKENS_PER_PASS: usize = 1536;

/// A backbone with heads.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// How texts become token ids, and everything that is not trained.
    pub backbone: Backbone,
    /// What turns them into pooled states.
    pub network: BackboneNetwork,
    /// A head for each task, by its name.
    pub heads: BTreeMap<String, Head>,
}

/// Error returned when a classifier cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierError {
    /// There is no such task.
    #[error("the model has no task `{task}`; its tasks are {}", known.join(", "))]
    Task {
        /// The task.
        task: String,
        /// The tasks of the model.
        known: Vec<String>,
    },
    /// A question with choices was given to a task with fixed labels, or the reverse.
    #[error("input {number}: task `{task}` reads {expected}")]
    Kind {
        /// Its number, from 1.
        number: usize,
        /// The task.
        task: String,
        /// What the task reads.
        expected: &'static str,
    },
    /// An input cannot be encoded.
    #[error("input {number}: {source}")]
    Input {
        /// Its number, from 1.
        number: usize,
        /// The problem.
        source: TextInputError,
    },
}

impl Classifier {
    /// The head of `task`.
    pub fn head(&self, task: &str) -> Result<&Head, ClassifierError> {
        self.heads.get(task).ok_or_else(|| ClassifierError::Task {
            task: task.to_owned(),
            known: self.heads.keys().cloned().collect(),
        })
    }

    /// Encodes inputs in `language` (a FLORES-200 code, for backbones that mark it), on all cores.
    /// `None` for questions whose choices exceed the maximum length or have no tokens.
    fn encode(
        &self,
        inputs: &[TextInput<'_>],
        language: Option<&str>,
    ) -> Result<Vec<Option<EncodedText>>, ClassifierError> {
        let encode =
            |(index, input): (usize, &TextInput<'_>)| match self.backbone.encode(input, language) {
                Ok(encoded) => Ok(Some(encoded)),
                Err(error) if error.is_of_one_text() => Ok(None),
                Err(source) => Err(ClassifierError::Input {
                    number: index + 1,
                    source,
                }),
            };
        inputs.par_iter().enumerate().map(encode).collect()
    }

    /// The probability of each label of `task` for each input; for questions with choices, that of
    /// each choice, or of none if they exceed the maximum length or have no tokens. A result does not
    /// depend on the other inputs.
    pub fn probabilities(
        &self,
        task: &str,
        inputs: &[TextInput<'_>],
        language: Option<&str>,
    ) -> Result<Vec<Vec<f32>>, ClassifierError> {
        let head = self.head(task)?;
        let wrong = |input: &TextInput<'_>| !head.kind.reads(input);
        if let Some(index) = inputs.iter().position(wrong) {
            return Err(ClassifierError::Kind {
                number: index + 1,
                task: task.to_owned(),
                expected: head.kind.expected(),
            });
        }
        let encoded = self.encode(inputs, language)?;
        let is_read: Vec<bool> = encoded.iter().map(Option::is_some).collect();
        let texts: Vec<EncodedText> = encoded.into_iter().flatten().collect();
        let mut found = self.probabilities_of(head, &texts).into_iter();
        let of_input = |is_read: bool| match is_read {
            true => found.next().expect("probabilities of every text"),
            false => Vec::new(),
        };
        Ok(is_read.into_iter().map(of_input).collect())
    }

    /// [`Classifier::probabilities`] of encoded inputs.
    pub fn probabilities_of(&self, head: &Head, texts: &[EncodedText]) -> Vec<Vec<f32>> {
        let device = self.network.device();
        kernels::together(&device, || {
            let passes = passes(texts, TOKENS_PER_PASS, EncodedText::tokens);
            let rows = passes.flat_map(|pass| self.pass(head, pass));
            rows.collect()
        })
    }

    fn pass(&self, head: &Head, texts: &[EncodedText]) -> Vec<Vec<f32>> {
        let texts: Vec<&EncodedText> = texts.iter().collect();
        let pooled = self.backbone.pooled(&self.network, &texts, None, None);
        let logits = head.logits(pooled);
        match head.kind.scores_choices() {
            false => rows(softmax(logits, 1)),
            true => {
                let mut start = 0;
                let of_text = texts.iter().map(|text| {
                    let own = start..start + text.spans.len();
                    start = own.end;
                    let logits = logits.clone().slice_dim(0, own);
                    softmax(logits, 0).into_data().iter().collect()
                });
                of_text.collect()
            }
        }
    }
}

/// The rows of a matrix.
fn rows(matrix: Tensor<2>) -> Vec<Vec<f32>> {
    let [_, width] = matrix.dims();
    let values: Vec<f32> = matrix.into_data().iter().collect();
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}
