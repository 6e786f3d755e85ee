//! The head of a task: a linear layer without bias on pooled states.

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::{Device, TensorData};
use serde::{Deserialize, Serialize};

use crate::random_weights::uniform;
use crate::text_input::TextInput;

/// Scores the labels of a task, or the choices of a question.
#[derive(Module, Debug)]
pub struct Head {
    /// [K, C]: a row for each label, or one row that scores a choice.
    pub weight: Param<Tensor<2>>,
    /// What it reads.
    #[module(skip)]
    pub kind: HeadKind,
    /// The labels in the order of the rows; for choices, the names of their places (`1`, `2`, …).
    #[module(skip)]
    pub labels: Vec<String>,
}

/// What a head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// A text, to give it one of the labels.
    Text,
    /// A pair of texts, to give it one of the labels.
    Pair,
    /// A text or a pair: earlier versions did not write which.
    Labels,
    /// A question with choices, to choose one.
    Choices,
}

impl HeadKind {
    /// Whether its one row scores a choice, instead of a row each label.
    pub fn scores_choices(self) -> bool {
        self == Self::Choices
    }

    /// Whether an input is of this kind.
    pub fn reads(self, input: &TextInput<'_>) -> bool {
        match input {
            TextInput::Single(_) => matches!(self, Self::Text | Self::Labels),
            TextInput::Pair(..) => matches!(self, Self::Pair | Self::Labels),
            TextInput::Choices { .. } => self == Self::Choices,
        }
    }

    /// What it reads, for messages.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Text => "single texts",
            Self::Pair => "pairs of texts",
            Self::Labels => "texts or pairs of texts",
            Self::Choices => "questions with choices",
        }
    }
}

impl Head {
    /// A head on states of `width` values, drawn as PyTorch initialises a linear layer, uniform in
    /// ±1/√`width`. The same seed and `task` give the same one on every machine.
    pub fn new(
        task: &str,
        kind: HeadKind,
        labels: Vec<String>,
        width: usize,
        seed: u64,
        device: &Device,
    ) -> Self {
        let rows = match kind.scores_choices() {
            false => labels.len(),
            true => 1,
        };
        let bound = 1.0 / (width as f32).sqrt();
        let values = uniform(&format!("heads.{task}"), rows * width, bound, seed);
        Self::from_values(values, [rows, width], kind, labels, device)
    }

    /// A head with this weight.
    ///
    /// # Panics
    /// If there are not as many values as the shape says.
    pub fn from_values(
        values: Vec<f32>,
        shape: [usize; 2],
        kind: HeadKind,
        labels: Vec<String>,
        device: &Device,
    ) -> Self {
        let weight = Tensor::from_data(TensorData::new(values, shape), device);
        Self {
            weight: Param::from_tensor(weight),
            kind,
            labels,
        }
    }

    /// Pooled states [N, C] → logits [N, K]; for choices [N, 1], N the choices of all questions.
    /// Differentiable.
    pub fn logits(&self, pooled: Tensor<2>) -> Tensor<2> {
        // In f32 whatever the precision of the scope: it is small, and decides.
        pooled.matmul(self.weight.val().transpose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_what_it_was_trained_on() {
        let choices = TextInput::Choices {
            passage: "p",
            question: "q",
            choices: &[],
        };
        let inputs = [TextInput::Single("a"), TextInput::Pair("a", "b"), choices];
        for (kind, written, reads) in [
            (HeadKind::Text, "\"text\"", [true, false, false]),
            (HeadKind::Pair, "\"pair\"", [false, true, false]),
            (HeadKind::Labels, "\"labels\"", [true, true, false]),
            (HeadKind::Choices, "\"choices\"", [false, false, true]),
        ] {
            assert_eq!(inputs.map(|input| kind.reads(&input)), reads);
            assert_eq!(serde_json::to_string(&kind).unwrap(), written);
        }
    }
}
