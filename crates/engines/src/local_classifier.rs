//! A classifier that xldistill trained: heads on an LLM, an encoder, or an LLM stacked on an
//! encoder.

use std::path::Path;
use std::sync::OnceLock;

use corpus::labelled::LabelledInput;
use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, TextClassifier};
use models::classifier::Classifier;
use models::model_directory::{BackboneKind, ModelDirectory};
use models::text_input::TextInput;
use models::{ComputeDevice, Precision, WeightForm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name of the engine in manifests and messages.
const ENGINE: &str = "local-classifier";

/// How classifiers are run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LocalClassifierConfig {
    /// Number format of the weights. `f32` is exact.
    pub precision: Precision,
}

impl LocalClassifierConfig {
    /// The classifier in the model directory at `path`.
    ///
    /// # Errors
    /// If it is not a model directory, or has no heads.
    pub fn open(&self, path: &Path, device: ComputeDevice) -> Result<LocalClassifier, EngineError> {
        LocalClassifier::open(path, self.precision, device)
    }
}

/// A classifier in this process, loaded on first use: an evaluation that has nothing to do needs
/// only its identity and its labels.
pub struct LocalClassifier {
    directory: ModelDirectory,
    revision: String,
    weights: Precision,
    device: ComputeDevice,
    classifier: OnceLock<Classifier>,
}

impl LocalClassifier {
    /// The classifier in the model directory at `path` (see [`models::model_directory`]), with
    /// weights in the format `weights`.
    ///
    /// # Errors
    /// If it is not a model directory, or has no heads.
    pub fn open(
        path: &Path,
        weights: Precision,
        device: ComputeDevice,
    ) -> Result<Self, EngineError> {
        let directory = ModelDirectory::open(path).map_err(failed)?;
        if directory.description().tasks.is_empty() {
            return Err(failed(format!(
                "{} has no heads and cannot classify; train it on a task",
                path.display()
            )));
        }
        Ok(Self {
            revision: directory.revision().map_err(failed)?,
            directory,
            weights,
            device,
            classifier: OnceLock::new(),
        })
    }

    /// The classifier, packed for inference.
    pub fn classifier(&self) -> Result<&Classifier, EngineError> {
        if let Some(classifier) = self.classifier.get() {
            return Ok(classifier);
        }
        let device = self.device.open().map_err(failed)?;
        let form = WeightForm::Packed(self.weights);
        let classifier = self.directory.classifier(&device, form).map_err(failed)?;
        Ok(self.classifier.get_or_init(|| classifier))
    }
}

fn failed(error: impl std::fmt::Display) -> EngineError {
    EngineError::new(ENGINE, error.to_string())
}

/// `input` as models read it.
fn text_input(input: &LabelledInput) -> TextInput<'_> {
    match input {
        LabelledInput::Single { text } => TextInput::Single(text),
        LabelledInput::Pair { first, second } => TextInput::Pair(first, second),
        LabelledInput::Choices {
            passage,
            question,
            choices,
        } => TextInput::Choices {
            passage,
            question,
            choices,
        },
    }
}

impl TextClassifier for LocalClassifier {
    fn identity(&self) -> EngineIdentity {
        let description = self.directory.description();
        let kind = match description.kind {
            BackboneKind::Llm => "llm",
            BackboneKind::Encoder => "encoder",
            BackboneKind::Stack => "stack",
        };
        let encoder = description.encoder.as_ref().map(|encoder| &encoder.model);
        let parts = description.llm.iter().chain(encoder);
        let licences: Vec<&str> = parts.filter_map(|part| part.licence.as_deref()).collect();
        EngineIdentity {
            engine: ENGINE.into(),
            model: self.directory.path().display().to_string(),
            revision: self.revision.clone(),
            parameters: format!("{kind} weights={:?}", self.weights),
            licence: (!licences.is_empty()).then(|| licences.join(", ")),
        }
    }

    fn tasks(&self) -> Vec<String> {
        self.directory.description().tasks.keys().cloned().collect()
    }

    fn labels(&self, task: &str) -> Option<Vec<String>> {
        let head = self.directory.description().tasks.get(task)?;
        Some(match head.kind.scores_choices() {
            false => head.labels.clone(),
            true => Vec::new(),
        })
    }

    fn classify(
        &self,
        task: &str,
        inputs: &[LabelledInput],
        language: Option<Language>,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let classifier = self.classifier()?;
        let inputs: Vec<TextInput<'_>> = inputs.iter().map(text_input).collect();
        let language = language.map(Language::code);
        let found = classifier.probabilities(task, &inputs, language);
        found.map_err(failed)
    }
}
