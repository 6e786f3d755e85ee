//! A store that serves training and evaluation, and the states that `plan` prints.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;

use crate::json_of;
use crate::tiny_run::{Folder, UP_TO_FILTER, twelve_rows};

/// Without translation: what is shared and planned here comes after the transfer set.
const RUN: &str = r#"model = "{{gguf/bpe.gguf}}"
targets = ["por_Latn"]
output = "run"
store = "store"
"#;

const LATER: &str = r#"[mix]
held_out_fraction = 0.3
test_fraction = 0.15
[train]
method = "lora"
lora_merge = true
epochs = 1
learning_rate = 1e-3
examples_per_step = 8
[evaluate]
questions.por_Latn = "held_out.jsonl"
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
"#;

pub fn folder() -> Folder {
    Folder::new(twelve_rows(), &format!("{RUN}{UP_TO_FILTER}{LATER}"))
}

/// The states of all stages, by name.
fn states(folder: &Folder, overrides: &[&str]) -> Vec<(String, String)> {
    let (plan, _) = folder.xldistill("plan", &[&["--json"], overrides].concat());
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    let stages = plan["stages"].as_array().expect("stages").iter();
    let text = |stage: &Value, key: &str| stage[key].as_str().expect("a text").to_owned();
    stages
        .map(|stage| (text(stage, "name"), text(stage, "state")))
        .collect()
}

fn state(states: &[(String, String)], stage: &str) -> String {
    let found = states.iter().find(|(name, _)| name == stage);
    found.expect("a stage").1.clone()
}

/// When the files of a run's stage were written.
fn written(folder: &Folder, name: &str) -> SystemTime {
    let metadata = fs::metadata(folder.path(name)).expect("a file");
    metadata.modified().expect("a time")
}

#[test]
fn runs_share_training_and_evaluations_and_the_plan_knows_what_is_done() {
    let folder = folder();
    let plan = states(&folder, &[]);
    assert!(plan.iter().all(|(_, state)| state == "to-do"), "{plan:?}");
    folder.xldistill("run", &["output=first", "--until", "answer"]);
    folder.xldistill("report", &["output=first"]);
    let plan = states(&folder, &["output=first"]);
    assert_eq!(state(&plan, "answer"), "finished");
    assert_eq!(state(&plan, "report"), "outdated", "one of a begun run");

    folder.xldistill("run", &["output=first"]);
    let plan = states(&folder, &["output=first"]);
    assert!(
        plan.iter().all(|(_, state)| state == "finished"),
        "{plan:?}"
    );
    let files = [
        "first/train/manifest.json",
        "first/model/adapter_model.safetensors",
        "first/model-merged/model.safetensors",
        "first/evaluate/before/results.json",
        "first/evaluate/after/results.json",
    ];
    let times = files.map(|file| written(&folder, file));

    // Another run with the same settings does none of it again, and knows that …
    let plan = states(&folder, &["output=second"]);
    for stage in [
        "answer",
        "translate",
        "filter",
        "code_switch",
        "mix",
        "train",
    ] {
        assert_eq!(state(&plan, stage), "in-store", "{plan:?}");
    }
    folder.xldistill("run", &["output=second"]);
    assert_eq!(files.map(|file| written(&folder, file)), times);
    for name in [
        "train",
        "model",
        "model-merged",
        "evaluate/before",
        "evaluate/after",
    ] {
        let [first, second] = ["first", "second"].map(|run| {
            let link = folder.path(run).join(name);
            assert!(link.is_symlink(), "{run}/{name}");
            link.canonicalize().expect("an artefact")
        });
        assert_eq!(first, second);
    }
    let report = |run: &str| json_of(&folder.path(run).join("report.json"))["scores"].clone();
    assert_eq!(report("first"), report("second"));

    // … and one that trains otherwise shares the evaluation before training.
    let other = ["output=third", "train.learning_rate=5e-4"];
    assert_eq!(
        state(&states(&folder, &["output=first", other[1]]), "train"),
        "outdated"
    );
    folder.xldistill("run", &other);
    let artefact = |name: &str| folder.path(name).canonicalize().expect("an artefact");
    assert_eq!(
        artefact("first/evaluate/before"),
        artefact("third/evaluate/before")
    );
    for name in ["train", "model", "evaluate/after"] {
        let [first, third] = ["first", "third"].map(|run| artefact(&format!("{run}/{name}")));
        assert_ne!(first, third);
    }
    assert_eq!(files.map(|file| written(&folder, file)), times);

    // All of it is finished, so no checkpoint in the store is needed, and nothing is done again.
    let store = folder.path("store");
    let cleaned = Command::new(env!("CARGO_BIN_EXE_xldistill"))
        .args(["clean".as_ref(), store.as_os_str()])
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&cleaned.stderr);
    assert!(!said.contains("the training is not finished"), "{said}");
    let deleted = String::from_utf8_lossy(&cleaned.stdout);
    let states = deleted
        .lines()
        .filter(|line| line.ends_with("trainer_state.json"));
    assert_eq!(states.count(), 2, "{deleted}{said}");
    folder.xldistill("run", &["output=first"]);
    assert_eq!(files.map(|file| written(&folder, file)), times);
}

#[test]
fn what_a_changed_config_outdates_is_planned_and_the_rest_is_kept() {
    let folder = folder();
    let own = ["store=own", "output=run"];
    folder.xldistill("run", &own);
    let samples = "run/evaluate/before/samples_perplexity_por_Latn.jsonl";
    let results = folder.path("run/evaluate/before/results.json");
    let seconds = |task: &str| json_of(&results)["xldistill"]["tasks"][task]["seconds"].clone();
    let (perplexity, bytes) = (
        seconds("perplexity_por_Latn"),
        fs::read(folder.path(samples)).expect("samples"),
    );

    let changed = [own[0], own[1], "evaluate.copied_share=0.5"];
    let plan = states(&folder, &changed);
    let expected = ["finished", "finished", "finished", "finished", "finished"];
    let found: Vec<&str> = plan.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(found[..5], expected);
    assert_eq!(found[5..], ["finished", "outdated", "outdated"], "{plan:?}");
    // The evaluation moves on to another artefact, with the results that still hold.
    folder.xldistill("evaluate", &changed);
    assert_eq!(seconds("perplexity_por_Latn"), perplexity);
    assert_eq!(fs::read(folder.path(samples)).expect("samples"), bytes);
    let plan = states(&folder, &changed);
    assert_eq!(state(&plan, "evaluate"), "finished");
    assert_eq!(state(&plan, "report"), "outdated");
    folder.xldistill("report", &changed);
    assert_eq!(state(&states(&folder, &changed), "report"), "finished");

    // A run that leaves its store keeps the link to what it trained.
    let config = fs::read_to_string(folder.path("config.toml")).expect("a config");
    folder.write("config.toml", config.replace("store = \"store\"\n", ""));
    let train = written(&folder, "run/train/manifest.json");
    folder.xldistill("train", &["output=run"]);
    assert!(folder.path("run/train").is_symlink());
    assert_eq!(written(&folder, "run/train/manifest.json"), train);
}

#[test]
fn a_run_that_gets_a_store_takes_its_training_there() {
    let folder = folder();
    let config = fs::read_to_string(folder.path("config.toml")).expect("a config");
    folder.write("config.toml", config.replace("store = \"store\"\n", ""));
    folder.xldistill("run", &["--until", "train"]);
    assert!(!folder.path("run/train").is_symlink());
    let (train, model) = (
        "run/train/manifest.json",
        "run/model/adapter_model.safetensors",
    );
    let times = [train, model].map(|file| written(&folder, file));
    folder.xldistill("train", &["store=store"]);
    for name in ["run/train", "run/model"] {
        assert!(folder.path(name).is_symlink(), "{name}");
    }
    assert_eq!([train, model].map(|file| written(&folder, file)), times);
}
