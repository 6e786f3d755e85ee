//! What a changed setting, or a changed file, makes a run do again.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use artefacts::training::TrainSummary;
use corpus::progress::Silent;
use kernels::Precision;
use models::export::StoredFormat;
use training::fine_tune::{LearningRate, Method, TrainConfig};

use crate::resume::{Kill, curve, ten_steps, train};
use crate::tiny;

/// The finished run with `config` in `run`, without a single step.
fn without_a_step(run: &Path, config: &TrainConfig) -> TrainSummary {
    train(run, config, &Kill::after(1)).unwrap()
}

/// The number format of the exported weights, as `config.json` has it.
fn stored_format(run: &Path) -> String {
    let json = fs::read(run.join("model/config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&json).unwrap();
    ["dtype", "torch_dtype"]
        .iter()
        .find_map(|key| config[key].as_str().map(String::from))
        .unwrap()
}

#[test]
fn a_finished_run_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let first = train(folder.path(), &tiny::config(), &Silent).unwrap();
    let again = without_a_step(folder.path(), &tiny::config());
    assert_eq!(again, first);
}

#[test]
fn other_settings_are_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &tiny::config(), &Silent).unwrap();
    let other = TrainConfig {
        learning_rate: LearningRate::Value(0.5),
        seed: 7,
        ..tiny::config()
    };
    let error = train(folder.path(), &other, &Silent)
        .unwrap_err()
        .to_string();
    let expected = "learning_rate was 0.01, is 0.5; seed was 0, is 7.";
    assert!(error.contains(expected), "{error}");
}

/// After running out of memory or disk.
#[test]
fn a_killed_run_resumes_with_less_memory_and_disk() {
    let config = ten_steps(Method::Full);
    let folder = tempfile::tempdir().unwrap();
    let [undisturbed, killed] = ["undisturbed", "killed"].map(|name| folder.path().join(name));
    let summary = train(&undisturbed, &config, &Silent).unwrap();
    let kill = Kill::after(5);
    let outcome = catch_unwind(AssertUnwindSafe(|| train(&killed, &config, &kill)));
    assert!(outcome.is_err(), "the run must not survive");

    let frugal = TrainConfig {
        tokens_per_batch: config.tokens_per_batch / 2,
        recompute: true,
        share_prompts: false,
        keep_checkpoints: 2,
        checkpoint_every: 3,
        ..config
    };
    let resumed = train(&killed, &frugal, &Silent).unwrap();
    assert_eq!(resumed.steps, summary.steps);
    let (found, expected) = (curve(&killed), curve(&undisturbed));
    let at: Vec<_> = found.keys().collect();
    assert_eq!(at, expected.keys().collect::<Vec<_>>());
    for (at, values) in &found {
        // Loss of a step; of an evaluation, of a part.
        let [found, expected] = [values[0], expected[at][0]].map(f64::from_bits);
        assert!(
            (found - expected).abs() < 1e-4,
            "{at:?}: {found}, not {expected}"
        );
    }
    let checkpoints = fs::read_dir(killed.join("train")).unwrap();
    let names = checkpoints.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut kept: Vec<String> = names
        .filter(|name| name.starts_with("checkpoint-"))
        .collect();
    kept.sort_unstable();
    assert!(
        kept.contains(&"checkpoint-10".to_owned()) && kept.len() >= 2,
        "{kept:?}"
    );
}

#[test]
fn another_export_precision_exports_again_without_training() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let summary = train(run, &tiny::config(), &Silent).unwrap();
    assert_eq!(stored_format(run), "float32");
    let half = TrainConfig {
        export_precision: StoredFormat::BF16,
        ..tiny::config()
    };
    let again = without_a_step(run, &half);
    assert_eq!(stored_format(run), "bfloat16");
    assert_eq!((again.after, again.steps), (summary.after, summary.steps));
}

#[test]
fn a_merged_model_can_be_asked_for_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let config = TrainConfig {
        precision: Precision::Int8,
        ..ten_steps(Method::Lora)
    };
    train(run, &config, &Silent).unwrap();
    assert!(!run.join("model-merged").exists());
    let merged = TrainConfig {
        lora_merge: true,
        ..config
    };
    without_a_step(run, &merged);
    assert!(run.join("model-merged/model.safetensors").exists());
}

#[test]
fn a_damaged_model_is_exported_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    train(run, &tiny::config(), &Silent).unwrap();
    let weights = run.join("model/model.safetensors");
    let exported = fs::read(&weights).unwrap();
    let again = || without_a_step(run, &tiny::config());

    let mut flipped = exported.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&weights, &flipped).unwrap();
    again();
    assert!(fs::read(&weights).unwrap() == exported);

    fs::remove_file(run.join("model/tokenizer.json")).unwrap();
    again();
    assert!(run.join("model/tokenizer.json").exists());

    fs::write(run.join("train/manifest.json"), "{").unwrap();
    fs::remove_dir_all(run.join("model")).unwrap();
    again();
    assert!(fs::read(&weights).unwrap() == exported);
}

/// A kill between the last checkpoint and what follows it.
#[test]
fn a_stale_link_to_the_best_checkpoint_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let summary = train(run, &tiny::config(), &Silent).unwrap();
    let train_folder = run.join("train");
    let link = train_folder.join("best");
    let best = format!("checkpoint-{}", summary.best_step);
    let points_to = || fs::read_link(&link).unwrap();
    assert_eq!(points_to(), Path::new(&best));

    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("checkpoint-0", &link).unwrap();
    std::os::unix::fs::symlink("checkpoint-0", train_folder.join("best.partial")).unwrap();
    fs::remove_file(train_folder.join("manifest.json")).unwrap();
    without_a_step(run, &tiny::config());
    assert_eq!(points_to(), Path::new(&best));
    assert!(fs::symlink_metadata(train_folder.join("best.partial")).is_err());
}
