//! The states that a stack is to reach: those of the LLM that was trained on the task.

use std::ops::Range;
use std::path::Path;

use artefacts::Provenance;
use burn::Tensor;
use burn::tensor::{Device, TensorData};
use corpus::labelled::LabelledRow;
use corpus::progress::Progress;
use kernels::Precision;
use models::text_input::passes;
use models::{Classifier, EncodedText, Head};

use crate::recipes::source_states::TOKENS_PER_PASS;
use crate::recipes::task_loop::TaskTrainError;
use crate::recipes::task_rows::{EncodedRows, Part, Task};
use crate::states::{Layout, States, StatesError};

/// Raised whenever a code change affects the states.
const VERSION: u32 = 1;

/// A teacher's pooled states of all training and validation rows of its task, in their order, on
/// disk; for questions the states of all choices. With its head.
pub struct TeacherStates {
    states: States,
    /// Rows of each item: training rows, then validation rows.
    spans: Vec<u32>,
    /// Number of training rows.
    train: usize,
    /// The head of the teacher.
    pub head: Head,
    /// Revision of the teacher.
    pub revision: String,
}

impl TeacherStates {
    /// Computes the states of `teacher` for the rows of `task` in `folder`, unless they are there;
    /// the teacher is not needed afterwards. `revision` is that of its model directory, and
    /// `precision` the format of its products.
    ///
    /// A killed process resumes, and ends with the same bytes.
    ///
    /// # Errors
    /// [`StatesError::MadeFromOthers`] if the folder holds states of other rows or another teacher;
    /// a task that the teacher does not have or that has other labels.
    pub fn make(
        teacher: &Classifier,
        revision: &str,
        task: &Task<'_>,
        precision: Precision,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Self, TaskTrainError> {
        let setup = |message: String| TaskTrainError::Setup(message);
        let head = teacher
            .head(task.name)
            .map_err(|error| setup(error.to_string()))?;
        if head.kind != task.kind() || head.labels != task.data.labels {
            return Err(setup(format!(
                "the teacher of task `{}` was trained on the labels {}, the task has {}; train the \
                 teacher again",
                task.name,
                head.labels.join(", "),
                task.data.labels.join(", ")
            )));
        }
        let encode = |rows: &[LabelledRow]| {
            EncodedRows::new(&teacher.backbone, task.name, rows, task.language())
        };
        let train = task.data.train.rows.len();
        let mut texts = encode(&task.data.train.rows)?.texts;
        texts.extend(encode(&task.data.validation.rows)?.texts);
        let spans = texts
            .iter()
            .map(|text| text.as_ref().map_or(0, |text| text.spans.len() as u32));
        let layout = Layout {
            width: teacher.network.hidden_size(),
            rows: spans.collect(),
        };
        let mut inputs = task.inputs().to_vec();
        inputs.push(("teacher".to_owned(), revision.to_owned()));
        let provenance = Provenance {
            stage: "states of the teacher".to_owned(),
            version: VERSION,
            parameters: serde_json::json!({ "precision": precision }),
            engines: Vec::new(),
            inputs: inputs.into_iter().collect(),
        };
        let compute = |range: Range<usize>| {
            let texts: Vec<&EncodedText> = texts[range].iter().flatten().collect();
            Ok::<_, TaskTrainError>(pooled(teacher, &texts, precision))
        };
        let states = States::make(folder, &provenance, &layout, compute, progress)?;
        Ok(Self::new(
            states,
            layout.rows,
            train,
            head.clone(),
            revision,
        ))
    }

    /// States that were computed elsewhere: `spans` rows for each training row, of which there are
    /// `train`, then for each validation row.
    pub fn new(states: States, spans: Vec<u32>, train: usize, head: Head, revision: &str) -> Self {
        Self {
            states,
            spans,
            train,
            head,
            revision: revision.to_owned(),
        }
    }

    /// Width of the states.
    pub fn width(&self) -> usize {
        self.states.width()
    }

    /// Whether the teacher could read a row.
    pub fn has(&self, part: Part, row: usize) -> bool {
        self.spans[self.item(part, row)] > 0
    }

    /// The states of these rows [total spans, C].
    pub fn read(
        &self,
        part: Part,
        rows: &[usize],
        device: &Device,
    ) -> Result<Tensor<2>, StatesError> {
        let mut values = Vec::new();
        for &row in rows {
            values.extend(self.states.read(self.item(part, row))?);
        }
        let width = self.width();
        let shape = [values.len() / width, width];
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    fn item(&self, part: Part, row: usize) -> usize {
        match part {
            Part::Train => row,
            Part::Validation => self.train + row,
        }
    }

    /// Mean over all values of the squared distance of these rows' states from their mean.
    pub fn variance(&self, part: Part, rows: &[usize]) -> Result<f64, StatesError> {
        let width = self.width();
        let (mut sums, mut squares) = (vec![0.0_f64; width], vec![0.0_f64; width]);
        let mut count = 0.0;
        for &row in rows {
            for state in self.states.read(self.item(part, row))?.chunks_exact(width) {
                count += 1.0;
                for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(state) {
                    *sum += f64::from(value);
                    *square += f64::from(value).powi(2);
                }
            }
        }
        let count = f64::max(count, 1.0);
        let variances = sums.iter().zip(&squares);
        let total: f64 = variances
            .map(|(sum, square)| square / count - (sum / count).powi(2))
            .sum();
        Ok(total / width as f64)
    }
}

/// The pooled states of `texts`, one after another.
fn pooled(teacher: &Classifier, texts: &[&EncodedText], precision: Precision) -> Vec<f32> {
    let device = teacher.network.device();
    let mut values = Vec::new();
    for pass in passes(texts, TOKENS_PER_PASS, |text| text.tokens()) {
        let states = precision.scope(|| {
            kernels::together(&device, || {
                (teacher.backbone).pooled(&teacher.network, pass, None, None)
            })
        });
        values.extend(states.into_data().iter::<f32>());
    }
    values
}
