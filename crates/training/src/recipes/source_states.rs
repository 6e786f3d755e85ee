//! The frozen encoder's states of labelled rows, kept on disk when they are read more than once.

use std::ops::Range;
use std::path::Path;

use artefacts::{Key, Provenance};
use burn::Tensor;
use burn::tensor::{Device, TensorData};
use corpus::progress::Progress;
use models::{Backbone, EncodedText, SourceStates};

use super::task_loop::TaskTrainError;
use super::task_rows::{EncodedTask, Member, Part};
use crate::states::{Layout, States, StatesError};

/// Raised whenever a code change affects the states.
const VERSION: u32 = 1;
/// Name of the folder with the states in the folder of a training.
const FOLDER: &str = "encoder-states";

/// The frozen encoder's states of all rows of all tasks.
pub struct KeptSource {
    states: States,
    /// Place of the first training and the first validation row of each task.
    first: Vec<[usize; 2]>,
    /// Number of states of a token.
    layers: usize,
}

impl KeptSource {
    /// The states of all rows in a folder of `folder`, computed unless they are there; `None` unless
    /// the backbone is a stack.
    ///
    /// # Errors
    /// [`StatesError::MadeFromOthers`] if the folder holds states of other texts or another encoder.
    pub fn make(
        backbone: &Backbone,
        tasks: &[EncodedTask],
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Option<Self>, TaskTrainError> {
        let mut texts = Vec::new();
        let mut first = Vec::new();
        for task in tasks {
            let train = texts.len();
            texts.extend(task.train.texts.iter().map(Option::as_ref));
            first.push([train, texts.len()]);
            texts.extend(task.validation.texts.iter().map(Option::as_ref));
        }
        let Some(one) = texts.iter().flatten().next() else {
            return Ok(None);
        };
        let Some(example) = backbone.source_states(&[one]) else {
            return Ok(None);
        };
        let (layers, [_, width]) = (example.layers.len(), example.layers[0].dims());
        let rows = texts
            .iter()
            .map(|text| text.map_or(0, |text| (layers * text.tokens()) as u32));
        let layout = Layout {
            width,
            rows: rows.collect(),
        };
        let encoder = backbone.encoder().map(|encoder| encoder.revision.clone());
        let ids: Vec<_> = texts
            .iter()
            .map(|text| text.map(|text| (&text.ids, &text.types)))
            .collect();
        let inputs = [
            ("encoder", encoder.unwrap_or_default()),
            ("texts", Key::of(&ids).to_string()),
        ];
        let provenance = Provenance {
            stage: "states of the encoder".to_owned(),
            version: VERSION,
            parameters: serde_json::json!({ "layers": layers }),
            engines: Vec::new(),
            inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
        };
        let compute = |range: Range<usize>| {
            let texts: Vec<&EncodedText> = texts[range].iter().copied().flatten().collect();
            Ok::<_, TaskTrainError>(source_rows(backbone, &texts))
        };
        let states = States::make(
            &folder.join(FOLDER),
            &provenance,
            &layout,
            compute,
            progress,
        )?;
        Ok(Some(Self {
            states,
            first,
            layers,
        }))
    }

    /// The states of these rows, laid end to end.
    pub fn read(
        &self,
        members: &[Member],
        part: Part,
        device: &Device,
    ) -> Result<SourceStates, StatesError> {
        let mut flat = vec![Vec::new(); self.layers];
        for &Member { task, row } in members {
            let rows = self.states.read(self.first[task][part as usize] + row)?;
            for (layer, rows) in flat
                .iter_mut()
                .zip(rows.chunks_exact(rows.len() / self.layers))
            {
                layer.extend_from_slice(rows);
            }
        }
        let width = self.states.width();
        let tensor = |values: Vec<f32>| {
            let shape = [values.len() / width, width];
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Ok(SourceStates {
            layers: flat.into_iter().map(tensor).collect(),
        })
    }
}

/// The encoder's states of each text: for each layer the rows of its tokens.
fn source_rows(backbone: &Backbone, texts: &[&EncodedText]) -> Vec<f32> {
    let mut rows = Vec::new();
    for pass in passes(texts) {
        let states = backbone
            .source_states(pass)
            .expect("a stack has an encoder");
        let width = states.layers[0].dims()[1];
        let values = |layer: Tensor<2>| layer.into_data().iter::<f32>().collect::<Vec<f32>>();
        let layers: Vec<Vec<f32>> = states.layers.into_iter().map(values).collect();
        let mut start = 0;
        for text in pass {
            let end = start + text.tokens() * width;
            for layer in &layers {
                rows.extend_from_slice(&layer[start..end]);
            }
            start = end;
        }
    }
    rows
}

/// Approximate number of tokens in one pass.
const TOKENS_PER_PASS: usize = 1536;

/// Consecutive texts that are read together.
pub fn passes<'a, 'b>(texts: &'a [&'b EncodedText]) -> Vec<&'a [&'b EncodedText]> {
    let mut passes = Vec::new();
    let mut rest = texts;
    while !rest.is_empty() {
        let mut tokens = 0;
        let fits = rest.iter().take_while(|text| {
            tokens += text.tokens();
            tokens <= TOKENS_PER_PASS
        });
        let (pass, later) = rest.split_at(fits.count().max(1));
        passes.push(pass);
        rest = later;
    }
    passes
}
