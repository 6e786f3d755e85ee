//! A moved folder and a shared store repeat no work.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::{Run, manifest};

/// The manifests of the stages up to mix, byte for byte.
fn manifests(output: &Path) -> Vec<Vec<u8>> {
    let stages = ["answer", "translate", "filter", "code_switch", "mix"];
    let read = |stage| fs::read(output.join(stage).join("manifest.json")).expect("a manifest");
    stages.map(read).to_vec()
}

#[test]
fn a_moved_folder_and_another_working_directory_repeat_nothing() {
    let run = Run::new();
    let parameters = fixtures::reference("cld3/tiny_params.cc");
    fs::copy(parameters, run.path("identifier.cc")).expect("copies");
    let identify = ["identify.engine=cld3", "identify.model=identifier.cc"];
    run.succeed(&[&["run", "--until", "mix"][..], &identify].concat());
    let (requests, before) = (run.server.requests().len(), manifests(&run.path("run")));
    let planned = |overrides: &[&str]| -> Vec<(Value, Value)> {
        let output = run.xldistill(&[&["plan", "--json"], &identify[..], overrides].concat());
        let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let stages = plan["stages"].as_array().expect("stages").iter();
        stages
            .map(|stage| (stage["state"].clone(), stage["key"].clone()))
            .collect()
    };
    let stages = planned(&[]);
    for (at, stage) in ["answer", "translate", "filter", "code_switch", "mix"]
        .iter()
        .enumerate()
    {
        let key = manifest(&run.path("run").join(stage))["key"].clone();
        assert_eq!(stages[at], (json!("finished"), key), "{stage}");
    }
    assert_eq!(stages[5].0, json!("to-do"));
    assert_eq!(stages[6], (json!("to-do"), Value::Null));
    // What a change of the config outdates is known before it is made again.
    let changed = planned(&["filter.max_length_ratio=1.5"]);
    assert_eq!(changed[1], stages[1]);
    assert_eq!(changed[2].0, json!("outdated"));
    assert_ne!(changed[2].1, stages[2].1);
    assert_eq!(changed[3], (json!("outdated"), Value::Null));
    assert_eq!(run.server.requests().len(), requests, "nothing was asked");

    let elsewhere = tempfile::tempdir().expect("a folder");
    let moved = elsewhere.path().join("moved");
    fs::rename(run.folder.path(), &moved).expect("moves");
    let output = Command::new(env!("CARGO_BIN_EXE_xldistill"))
        .args(["run", "config.toml", "--until", "mix"])
        .args(identify)
        .current_dir(&moved)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(run.server.requests().len(), requests, "{said}");
    assert!(manifests(&moved.join("run")) == before, "{said}");
    fs::rename(&moved, run.folder.path()).expect("moves back");
}

#[test]
fn runs_share_what_a_store_has() {
    let run = Run::new();
    let output = |name: &str| format!("output={}", run.path(name).display());
    run.succeed(&["run", "--until", "mix", "store=store", &output("first")]);
    let requests = run.server.requests().len();
    let first = manifests(&run.path("first"));
    // A run that has nothing yet knows what the store has for it, and what it has not.
    let planned = |overrides: &[&str]| {
        let plan = run.xldistill(&[&["plan", "store=store", "--json"], overrides].concat());
        let plan: Value = serde_json::from_slice(&plan.stdout).expect("JSON");
        let stages = plan["stages"].as_array().expect("stages").iter();
        let states = stages.map(|stage| stage["state"].as_str().expect("a state").to_owned());
        states.collect::<Vec<_>>()
    };
    let states = planned(&[&output("second")]);
    assert_eq!(states[..5], ["in-store"; 5], "{states:?}");
    assert_eq!(states[5], "to-do");
    let states = planned(&[&output("second"), "filter.max_length_ratio=1.5"]);
    assert_eq!(
        states[..4],
        ["in-store", "in-store", "to-do", "to-do"],
        "{states:?}"
    );
    assert!(!run.path("second").exists(), "planning makes nothing");
    run.succeed(&["run", "--until", "mix", "store=store", &output("second")]);
    assert_eq!(run.server.requests().len(), requests);
    assert!(manifests(&run.path("second")) == first);
    for stage in ["answer", "mix"] {
        let folders = ["first", "second"].map(|name| run.path(name).join(stage));
        assert!(folders.iter().all(|folder| folder.is_symlink()), "{stage}");
        let artefacts = folders.map(|folder| folder.canonicalize().expect("an artefact"));
        assert_eq!(artefacts[0], artefacts[1]);
    }
    // Another mix shares what comes before it.
    run.succeed(&[
        "run",
        "--until",
        "mix",
        "store=store",
        "mix.seed=7",
        &output("second"),
    ]);
    let mixes = ["first", "second"].map(|name| run.path(name).join("mix").canonicalize());
    assert_ne!(
        mixes[0].as_ref().expect("a mix"),
        mixes[1].as_ref().expect("a mix")
    );
    assert_eq!(run.server.requests().len(), requests);
    assert!(manifests(&run.path("first")) == first);
}
