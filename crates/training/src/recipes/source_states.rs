//! The frozen encoder's states of labelled rows, kept on disk when they are read more than once.

use std::ops::Range;
use std::path::Path;

use artefacts::{Key, Provenance};
use burn::tensor::Device;
use corpus::progress::Progress;
use models::{Backbone, EncodedText, SourceStates};

use super::encoder_states::{encoder_rows, kept_encoder_states};
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
            Ok::<_, TaskTrainError>(encoder_rows(backbone, &texts, TOKENS_PER_PASS))
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
        let place = |&Member { task, row }: &Member| self.first[task][part as usize] + row;
        kept_encoder_states(&self.states, members.iter().map(place), self.layers, device)
    }
}

/// Approximate number of tokens in one pass. Not a setting, because the last bits of a state can
/// depend on what shares its pass.
pub const TOKENS_PER_PASS: usize = 1536;
