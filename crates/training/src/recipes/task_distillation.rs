//! Task distillation, the second stage of MT-LLM (Schmidt et al. 2024, arXiv 2406.12739): a stack
//! learns from the text of the training rows to have the pooled states of the LLM that was trained
//! on the task, whose head then fits it.
//!
//! [`TeacherStates`] are computed once; [`TaskDistillation`] is the recipe given to the loop. Several
//! tasks can be learnt at once: one set of adapters, and each teacher's head. Labels are used only to
//! choose the checkpoint.

mod config;
mod recipe;
mod teacher_states;

use std::fs;
use std::path::Path;

use artefacts::training::{ClassifierRecord, ClassifierSummary};
use artefacts::{ArtefactError, Lock, Provenance};
use burn::Tensor;
use burn::tensor::Device;
use corpus::progress::Progress;
use models::model_directory::CardFacts;
use models::{Head, SaveOptions};

use super::headed::{HeadedNetwork, Origin, Preparation, Start, TrainedPart};
use super::product;
use super::source_states::KeptSource;
use super::task_loop::{TaskTrainError, check_tasks, reads_twice, summary, warnings};
use super::task_rows::{EncodedTask, Task};
use crate::run::train;

pub use config::{DistillationConfig, DistillationLoop};
pub use recipe::TaskDistillation;
pub use teacher_states::TeacherStates;

/// Raised whenever a code change affects what is learnt.
const VERSION: u32 = 1;

/// Everything that determines the result of distilling `tasks` into a network that comes from
/// `origin`; `teachers` are the revisions of the tasks' teachers.
pub fn provenance(
    config: &DistillationConfig,
    origin: &Origin,
    tasks: &[Task<'_>],
    teachers: &[&str],
) -> Provenance {
    let mut inputs = origin.inputs();
    for (task, teacher) in tasks.iter().zip(teachers) {
        inputs.extend(task.inputs());
        inputs.push((format!("{} teacher", task.name), (*teacher).to_owned()));
    }
    Provenance {
        stage: "distill".to_owned(),
        version: VERSION,
        parameters: serde_json::json!({ "distill": config.deciding(), "reading": origin.reading }),
        engines: Vec::new(),
        inputs: inputs.into_iter().collect(),
    }
}

/// Teaches the network of `start`, usually a stack after stage 1, the tasks of the `teachers`, and
/// writes the classifier with the parameters that are best on the validation rows to `output`
/// ([`models::model_directory`]); `card` says where the data come from.
///
/// `folder` receives kept states of the encoder, checkpoints, metrics and the manifest. A killed run
/// resumes where it was, with the same result as an uninterrupted one; a finished run only returns
/// its summary.
#[expect(
    clippy::too_many_arguments,
    reason = "what is taught, to whom, how and where to"
)]
pub fn task_distillation(
    start: Start,
    tasks: &[Task<'_>],
    teachers: &[TeacherStates],
    config: &DistillationConfig,
    folder: &Path,
    output: &Path,
    card: CardFacts,
    progress: &dyn Progress,
) -> Result<ClassifierSummary, TaskTrainError> {
    config.validate("distill")?;
    let training = &config.training;
    training.validate_on("distill.training", &start.network.device())?;
    let revisions: Vec<&str> = teachers
        .iter()
        .map(|teacher| teacher.revision.as_str())
        .collect();
    let provenance = provenance(config, &start.origin(), tasks, &revisions);
    if let Some(ClassifierRecord { summary }) = product::finished(folder, output, &provenance)? {
        return Ok(summary);
    }
    fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = Lock::whole(folder)?;

    let Start {
        backbone, network, ..
    } = start;
    let encoded = encode(&backbone, network.hidden_size(), tasks, teachers)?;
    let warnings = warnings(&encoded, backbone.max_length(), progress);
    let settings = training.settings();
    let kept = match config.keep_encoder_states && reads_twice(&encoded, &settings) {
        true => KeptSource::make(&backbone, &encoded, folder, progress)?,
        false => None,
    };
    let device = network.device();
    let network = HeadedNetwork {
        heads: teachers
            .iter()
            .map(|teacher| on(&teacher.head, &device))
            .collect(),
        backbone: network,
    };
    let network = network.prepare(&Preparation {
        part: TrainedPart::Lora,
        train_heads: false,
        train_projection: config.train_projection,
        lora: training.lora(),
        form: training.weight_form(),
        recompute: training.recompute,
        seed: training.seed,
    })?;
    let taught = teachers.iter().collect();
    let recipe = TaskDistillation::new(backbone, encoded, taught, kept, config)?;
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
        whole_model: false,
    };
    classifier.save(output, &options)?;
    let seconds = summary.training.seconds;
    let record = ClassifierRecord {
        summary: summary.clone(),
    };
    product::finish(folder, &[output.to_owned()], provenance, record, seconds)?;
    Ok(summary)
}

/// The rows of all tasks that student and teacher can read.
fn encode(
    backbone: &models::Backbone,
    width: usize,
    tasks: &[Task<'_>],
    teachers: &[TeacherStates],
) -> Result<Vec<EncodedTask>, TaskTrainError> {
    if tasks.len() != teachers.len() {
        let message = format!("{} tasks have {} teachers", tasks.len(), teachers.len());
        return Err(TaskTrainError::Setup(message));
    }
    let mut encoded = Vec::new();
    for (task, teacher) in tasks.iter().zip(teachers) {
        if teacher.width() != width {
            return Err(TaskTrainError::Setup(format!(
                "the teacher of task `{}` has states of {} values and the stack's LLM of {width}; \
                 train the teacher from the LLM of the stack",
                task.name,
                teacher.width()
            )));
        }
        let mut rows = EncodedTask::new(backbone, task)?;
        rows.retain(|part, row| teacher.has(part, row));
        encoded.push(rows);
    }
    check_tasks(&encoded)?;
    Ok(encoded)
}

/// A copy of `head` on `device`.
fn on(head: &Head, device: &Device) -> Head {
    let weight: Tensor<2> = head.weight.val();
    let shape = weight.dims();
    let values = weight.into_data().iter::<f32>().collect();
    Head::from_values(values, shape, head.kind, head.labels.clone(), device)
}
