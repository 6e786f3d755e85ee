//! Whole runs of task distillation: a teacher is trained, its states are kept, a stack learns them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use artefacts::training::ClassifierSummary;
use burn::tensor::Device;
use corpus::labelled::TaskData;
use corpus::progress::{Progress, Silent};
use kernels::Precision;
use models::checkpoint::Checkpoint;
use models::huggingface::SafetensorsCheckpoint;
use models::{Classifier, ModelDirectory, WeightForm};
use training::task_distillation::{DistillationConfig, TeacherStates, task_distillation};
use training::{Start, Task, TaskTrainError};

use crate::classify;
use crate::fixture::{Kill, curve, files, library, llm, questions, stack_on};

/// A teacher of both tasks.
pub struct Teacher {
    _folder: tempfile::TempDir,
    pub classifier: Classifier,
    pub revision: String,
}

impl Teacher {
    pub fn trained() -> Self {
        let folder = tempfile::tempdir().unwrap();
        classify::train(llm(512), folder.path(), &classify::config(), &Silent).unwrap();
        let directory = ModelDirectory::open(folder.path().join("model")).unwrap();
        Self {
            classifier: directory
                .classifier(&Device::flex(), WeightForm::Parameters)
                .unwrap(),
            revision: directory.revision().unwrap(),
            _folder: folder,
        }
    }

    /// Its states for a task's rows, in a folder of `run`.
    pub fn states(
        &self,
        run: &Path,
        name: &str,
        data: &TaskData,
        progress: &dyn Progress,
    ) -> Result<TeacherStates, TaskTrainError> {
        let task = Task { name, data };
        let folder = run.join("teacher-states").join(name);
        let (teacher, revision) = (&self.classifier, &self.revision);
        TeacherStates::make(teacher, revision, &task, Precision::F32, &folder, progress)
    }
}

pub fn config() -> DistillationConfig {
    let mut config = DistillationConfig::default();
    config.training = training::loop_config::LoopConfig {
        epochs: 3,
        items_per_step: 4,
        learning_rate: 1e-2,
        tokens_per_batch: 96,
        lora_rank: 4,
        lora_dropout: 0.1,
        checkpoint_every: 2,
        ..config.training
    };
    config
}

/// Distils both tasks in the run's folder `run`.
pub fn distil(
    teacher: &Teacher,
    start: Start,
    run: &Path,
    config: &DistillationConfig,
    progress: &dyn Progress,
) -> Result<ClassifierSummary, TaskTrainError> {
    let (library, questions) = (library(), questions());
    let tasks = [
        Task {
            name: "library",
            data: &library,
        },
        Task {
            name: "reading",
            data: &questions,
        },
    ];
    let states = [
        teacher.states(run, "library", &library, progress)?,
        teacher.states(run, "reading", &questions, progress)?,
    ];
    let (folder, output) = (run.join("distill"), run.join("model"));
    task_distillation(
        start,
        &tasks,
        &states,
        config,
        &folder,
        &output,
        Default::default(),
        progress,
    )
}

fn tensor(directory: &Path, file: &str, name: &str) -> Vec<f32> {
    let path = directory.join(file);
    let file = SafetensorsCheckpoint::open_files(&path, std::slice::from_ref(&path)).unwrap();
    let shape = file.shape(name).unwrap().to_vec();
    file.tensor(name, &shape).unwrap()
}

#[test]
fn a_stack_killed_anywhere_ends_as_an_undisturbed_one() {
    let teacher = Teacher::trained();
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let stack = || stack_on("llama", 512);
    let summary = distil(&teacher, stack(), &whole, &config(), &Silent).unwrap();
    // In the teacher's states, in the encoder's states, and at several steps.
    for after in [1, 5, 1, 2, 3, 4] {
        let kill = Kill::after(after);
        let run = || distil(&teacher, stack(), &killed, &config(), &kill);
        assert!(
            catch_unwind(AssertUnwindSafe(run)).is_err(),
            "the run must not survive"
        );
    }
    let resumed = distil(&teacher, stack(), &killed, &config(), &Silent).unwrap();
    assert_eq!(
        curve(&killed.join("distill")),
        curve(&whole.join("distill"))
    );
    assert_eq!(resumed.evaluations, summary.evaluations);
    for part in ["model", "teacher-states", "distill/encoder-states"] {
        let rows = |run: &Path| {
            let mut files = files(&run.join(part));
            files.retain(|name, _| !name.ends_with("manifest.json"));
            files
        };
        assert_eq!(rows(&killed), rows(&whole), "{part}");
    }
}

#[test]
fn a_stack_comes_near_its_teachers_and_keeps_their_heads() {
    let teacher = Teacher::trained();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config.training.epochs = 20;
    config.choose_by = training::ChooseBy::Loss;
    let start = stack_on("llama", 512);
    let models::BackboneNetwork::Stack(stack) = &start.network else {
        unreachable!("a stack")
    };
    let projection: Vec<f32> = stack
        .up_projection
        .weight
        .val()
        .into_data()
        .iter()
        .collect();
    let summary = distil(&teacher, start, folder.path(), &config, &Silent).unwrap();
    let (before, after) = (
        summary.training.before.unwrap(),
        summary.training.after.unwrap(),
    );
    assert!(after.loss < 0.7 * before.loss, "{before:?} {after:?}");
    assert!(after.losses["fvu"] < before.losses["fvu"]);

    let model = folder.path().join("model");
    assert_eq!(
        tensor(&model, "projection.safetensors", "up_projection.weight"),
        projection
    );
    for task in ["library", "reading"] {
        let head = teacher
            .classifier
            .head(task)
            .unwrap()
            .weight
            .val()
            .into_data();
        let kept = tensor(&model, "heads.safetensors", &format!("{task}.weight"));
        assert_eq!(kept, head.iter::<f32>().collect::<Vec<f32>>(), "{task}");
    }
}

#[test]
fn kept_encoder_states_and_several_passes_change_nothing() {
    let teacher = Teacher::trained();
    let losses = |keep: bool, tokens: usize, train_projection: bool| {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config();
        config.keep_encoder_states = keep;
        config.train_projection = train_projection;
        config.training.tokens_per_batch = tokens;
        config.training.lora_dropout = 0.0;
        let start = stack_on("llama", 512);
        let summary = distil(&teacher, start, folder.path(), &config, &Silent).unwrap();
        assert_eq!(folder.path().join("distill/encoder-states").exists(), keep);
        let losses = summary
            .evaluations
            .iter()
            .map(|evaluation| evaluation.held_out.loss);
        losses.collect::<Vec<f64>>()
    };
    let kept = losses(true, 96, false);
    for other in [losses(false, 96, false), losses(true, 4096, false)] {
        for (kept, other) in kept.iter().zip(other) {
            assert!((kept - other).abs() < 1e-4 * kept, "{kept} {other}");
        }
    }
    assert_ne!(
        losses(true, 96, true),
        kept,
        "the projection is trained, too"
    );
}
