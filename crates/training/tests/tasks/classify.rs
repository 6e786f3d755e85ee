//! Whole runs of classification.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use artefacts::training::ClassifierSummary;
use burn::tensor::Device;
use corpus::progress::{Progress, Silent};
use models::{Backbone, Classifier, WeightForm};
use training::classification::{ClassificationConfig, classification};
use training::{ChooseBy, EncodedTask, Start, Task, TaskTrainError, TrainedPart, text_input};

use crate::fixture::{
    Kill, adapted_stack, curve, encoder, files, library, llm, pairs, questions, settings,
};

/// Twelve steps, a checkpoint after every second.
pub fn config() -> ClassificationConfig {
    let mut config = ClassificationConfig::default();
    config.training.epochs = 3;
    config.training.items_per_step = 4;
    config.training.learning_rate = 1e-2;
    config.training.tokens_per_batch = 96;
    config.training.lora_rank = 2;
    config.training.lora_dropout = 0.1;
    config.training.checkpoint_every = 2;
    config
}

/// Trains two tasks at once in the run's folder `run`.
pub fn train(
    start: Start,
    run: &Path,
    config: &ClassificationConfig,
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
    let (folder, output) = (run.join("classify"), run.join("model"));
    classification(
        start,
        &tasks,
        config,
        &folder,
        &output,
        Default::default(),
        progress,
    )
}

fn encoder_alone() -> Start {
    let mut model = encoder();
    model.network = burn::module::Module::train(model.network);
    Start::fresh(Backbone::of_encoder(model, settings(64)))
}

#[test]
fn a_killed_run_ends_as_an_undisturbed_one() {
    for start in [|| llm(512), adapted_stack] {
        let folder = tempfile::tempdir().unwrap();
        let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
        let summary = train(start(), &whole, &config(), &Silent).unwrap();
        for after in [1, 3, 2, 4] {
            let kill = Kill::after(after);
            let run = || train(start(), &killed, &config(), &kill);
            assert!(
                catch_unwind(AssertUnwindSafe(run)).is_err(),
                "the run must not survive"
            );
        }
        let resumed = train(start(), &killed, &config(), &Silent).unwrap();
        let run = |name: &Path| curve(&name.join("classify"));
        assert_eq!(run(&killed), run(&whole));
        assert_eq!(resumed.evaluations, summary.evaluations);
        assert_eq!(files(&killed.join("model")), files(&whole.join("model")));
        // Nothing is left to do.
        let again = train(start(), &whole, &config(), &Kill::after(1)).unwrap();
        assert_eq!(again, summary);
    }
}

#[test]
fn an_llm_an_encoder_and_a_stack_learn_their_tasks() {
    for start in [llm(512), encoder_alone(), adapted_stack()] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config();
        config.training.epochs = 12;
        let summary = train(start, folder.path(), &config, &Silent).unwrap();
        let (before, after) = (
            summary.training.before.unwrap(),
            summary.training.after.unwrap(),
        );
        assert!(
            after.losses["accuracy"] > before.losses["accuracy"],
            "{before:?} {after:?}"
        );
        assert!(after.losses["library.accuracy"] >= 5.0 / 6.0, "{after:?}");
        assert_eq!(summary.tasks["library"].training_rows, 12);
        assert_eq!(summary.tasks["reading"].labels.len(), 4);

        // The classifier that was written has the same accuracy.
        let loaded = Classifier::load(
            &folder.path().join("model"),
            &Device::flex(),
            WeightForm::Parameters,
        );
        let loaded = loaded.unwrap();
        let data = library();
        let rows = &data.validation.rows;
        let inputs: Vec<_> = rows.iter().map(|row| text_input(&row.input)).collect();
        let found = loaded
            .probabilities("library", &inputs, Some("eng_Latn"))
            .unwrap();
        let hits = found
            .iter()
            .zip(rows)
            .filter(|(found, row)| found[row.label] > 0.5);
        assert_eq!(hits.count() as f64 / 6.0, after.losses["library.accuracy"]);
        assert_eq!(loaded.head("reading").unwrap().labels, ["1", "2", "3", "4"]);
    }
}

#[test]
fn the_checkpoint_is_chosen_by_what_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (choose_by, name) in [(ChooseBy::Accuracy, "accuracy"), (ChooseBy::Loss, "loss")] {
        let mut config = config();
        config.choose_by = choose_by;
        config.training.epochs = 6;
        config.training.evaluate_every = 1;
        let run = folder.path().join(name);
        let summary = train(llm(512), &run, &config, &Silent).unwrap();
        let value = |evaluation: &artefacts::training::Evaluation| match choose_by {
            ChooseBy::Accuracy => -evaluation.held_out.losses["accuracy"],
            ChooseBy::Loss => evaluation.held_out.loss,
        };
        let after = &summary.evaluations[1..];
        let best = after.iter().map(value).fold(f64::INFINITY, f64::min);
        let first = after
            .iter()
            .find(|evaluation| value(evaluation) == best)
            .unwrap();
        assert_eq!(summary.training.best_step, first.step, "{name}");
        assert_eq!(summary.training.after.unwrap(), first.held_out, "{name}");
    }
}

#[test]
fn every_parameter_of_an_llm_or_only_its_head_can_be_trained() {
    for (part, whole) in [(TrainedPart::Full, true), (TrainedPart::Head, false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config();
        config.method = part;
        let summary = train(llm(512), folder.path(), &config, &Silent).unwrap();
        let (before, after) = (
            summary.training.before.unwrap(),
            summary.training.after.unwrap(),
        );
        assert_ne!(before.loss, after.loss);
        let model = folder.path().join("model");
        assert_eq!(model.join("llm").is_dir(), whole);
        assert!(!model.join("adapter").exists());
        Classifier::load(&model, &Device::flex(), WeightForm::Parameters).unwrap();
    }
}

#[test]
fn long_rows_are_cut_and_questions_without_room_are_left_out_and_counted() {
    let start = llm(12);
    let (library, pairs, questions) = (library(), pairs(), questions());
    let counts = |name, data| EncodedTask::new(&start.backbone, &Task { name, data }).unwrap();
    let single = counts("library", &library);
    assert!(single.counts.truncated_rows > 0 && single.counts.left_out_rows == 0);
    assert_eq!(single.counts.training_rows, 12);
    let warning = single.warnings(12).remove(0);
    assert!(
        warning.contains("of 18 rows have more than 12 tokens and are cut"),
        "{warning}"
    );
    assert!(
        counts("pairs", &pairs)
            .train
            .texts
            .iter()
            .flatten()
            .all(|text| text.tokens() <= 12)
    );

    let left_out = counts("reading", &questions);
    assert_eq!(
        (left_out.counts.training_rows, left_out.counts.left_out_rows),
        (0, 4)
    );
    let folder = tempfile::tempdir().unwrap();
    let tasks = [Task {
        name: "reading",
        data: &questions,
    }];
    let (run, output) = (folder.path().join("classify"), folder.path().join("model"));
    let card = Default::default();
    let error = classification(llm(12), &tasks, &config(), &run, &output, card, &Silent);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("task `reading` has no row to train on"),
        "{error}"
    );
}
