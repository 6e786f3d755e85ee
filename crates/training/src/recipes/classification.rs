//! Classification: heads on the pooled states of any backbone, trained by cross-entropy.
//!
//! With an LLM it makes the teacher of MT-LLM's second stage (arXiv 2406.12739; reference:
//! `AutoModuleForSequenceClassification` and `AutoModuleForMultipleChoice` of the authors' code);
//! with an encoder the baseline that a stack is compared with; with an adapted stack the ablation
//! "stage 1 and fine-tuning".

mod config;
mod recipe;

use std::fs;
use std::path::Path;

use artefacts::training::{ClassifierRecord, ClassifierSummary};
use artefacts::{ArtefactError, Lock, Provenance};
use corpus::progress::Progress;
use models::model_directory::CardFacts;
use models::{Head, SaveOptions};

use super::headed::{HeadedNetwork, Origin, Preparation, Start, TrainedPart};
use super::product;
use super::source_states::KeptSource;
use super::task_loop::{TaskTrainError, check_tasks, reads_twice, summary, warnings};
use super::task_rows::{EncodedTask, Task};
use crate::run::train;

pub use config::{ClassificationConfig, ClassificationLoop};
pub use recipe::Classification;

/// Raised whenever a code change affects what is learnt.
const VERSION: u32 = 1;

/// Everything that determines the result of training a network that comes from `origin` on `tasks`.
pub fn provenance(
    config: &ClassificationConfig,
    origin: &Origin,
    tasks: &[Task<'_>],
) -> Provenance {
    let reading = origin.reading;
    let mut inputs = origin.inputs();
    inputs.extend(tasks.iter().flat_map(Task::inputs));
    Provenance {
        stage: "classify".to_owned(),
        version: VERSION,
        parameters: serde_json::json!({ "classify": config.deciding(), "reading": reading }),
        engines: Vec::new(),
        inputs: inputs.into_iter().collect(),
    }
}

/// Trains a head for each task on the backbone of `start`, and what else `config` says, keeps the
/// parameters that are best on the validation rows, and writes the classifier to `output`
/// ([`models::model_directory`]); `card` says where the data come from.
///
/// `folder` receives checkpoints, metrics and the manifest. A killed run resumes at its last
/// checkpoint with the same losses as an uninterrupted run; a finished run only returns its summary.
pub fn classification(
    start: Start,
    tasks: &[Task<'_>],
    config: &ClassificationConfig,
    folder: &Path,
    output: &Path,
    card: CardFacts,
    progress: &dyn Progress,
) -> Result<ClassifierSummary, TaskTrainError> {
    config.validate("classify")?;
    let on = start.network.device();
    config.training.validate_on("classify.training", &on)?;
    let provenance = provenance(config, &start.origin(), tasks);
    if let Some(ClassifierRecord { summary }) = product::finished(folder, output, &provenance)? {
        return Ok(summary);
    }
    fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = Lock::whole(folder)?;

    let Start {
        backbone, network, ..
    } = start;
    let encoded = tasks.iter().map(|task| EncodedTask::new(&backbone, task));
    let encoded: Vec<EncodedTask> = encoded.collect::<Result<_, _>>()?;
    check_tasks(&encoded)?;
    let warnings = warnings(&encoded, backbone.max_length(), progress);
    let settings = config.training.settings();
    let kept = match config.keep_encoder_states && reads_twice(&encoded, &settings) {
        true => KeptSource::make(&backbone, &encoded, folder, progress)?,
        false => None,
    };
    let width = network.hidden_size();
    let seed = config.training.seed;
    let head = |task: &Task<'_>| {
        let labels = task.data.labels.clone();
        Head::new(task.name, task.kind(), labels, width, seed, &on)
    };
    let network = HeadedNetwork {
        heads: tasks.iter().map(head).collect(),
        backbone: network,
    };
    let network = network.prepare(&Preparation {
        part: config.method,
        train_heads: true,
        train_projection: config.train_projection,
        lora: config.training.lora(),
        form: config.training.weight_form(),
        recompute: config.training.recompute,
        seed,
    })?;
    let recipe = Classification::new(backbone, encoded, kept, config);
    let (network, state) = train(
        &recipe,
        network,
        &settings,
        provenance.clone(),
        folder,
        progress,
    )?;

    let rate = settings.peak_learning_rate;
    let set = recipe.into_set();
    let summary = summary(&state, &network, &set.tasks, rate, folder, warnings)?;
    let names: Vec<String> = tasks.iter().map(|task| task.name.to_owned()).collect();
    let classifier = network.into_classifier(set.backbone, &names);
    let options = SaveOptions {
        card,
        whole_model: config.method == TrainedPart::Full,
    };
    classifier.save(output, &options)?;
    let seconds = summary.training.seconds;
    let record = ClassifierRecord {
        summary: summary.clone(),
    };
    product::finish(folder, &[output.to_owned()], provenance, record, seconds)?;
    Ok(summary)
}
