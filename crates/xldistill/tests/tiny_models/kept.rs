//! What a finished run has trained when its config changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tiny_run::{Folder, RUN, UP_TO_FILTER, twelve_rows};

const LATER: &str = r#"[mix]
held_out_fraction = 0.3
[train]
method = "lora"
epochs = 1
learning_rate = 1e-3
examples_per_step = 8
[evaluate]
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
"#;

/// All files below `folder`, except locks.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with(".lock") {
            let bytes = fs::read(&path).expect("a file");
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn a_config_that_leads_to_another_training_is_refused_before_the_first_stage() {
    let folder = Folder::new(twelve_rows(), &format!("{RUN}{UP_TO_FILTER}{LATER}"));
    folder.xldistill("run", &[]);
    let run = folder.path("run");
    let before = files(&run);
    for (changed, why) in [
        (
            "data.limit=8",
            "the results of the stage answer will differ (in the config, data.limit was not set and is 8)",
        ),
        (
            "mix.held_out_fraction=0.5",
            "the training examples changed (in the config, mix.held_out_fraction was 0.3 and is 0.5)",
        ),
        ("train.epochs=2", "epochs was 1"),
    ] {
        for (command, flags) in [
            ("run", &[][..]),
            ("run", &["--dry-run"]),
            ("run", &["--shard", "0/2"]),
            ("doctor", &[]),
        ] {
            if command == "run" && flags.contains(&"--shard") && changed != "data.limit=8" {
                continue;
            }
            let (succeeded, printed, log) = folder.outcome(command, &[&[changed], flags].concat());
            let said = printed + &log;
            assert!(!succeeded, "{command} {flags:?} {changed}: {said}");
            // Lines of a terminal are broken between words.
            assert!(said.contains(why), "{command} {flags:?} {changed}: {said}");
            assert!(
                said.contains("set another `output`, or delete run/train to train again"),
                "{said}"
            );
            assert!(
                before == files(&run),
                "{command} {flags:?} {changed} wrote something"
            );
        }
    }
    // Whoever stops earlier is warned.
    let (_, log) = folder.xldistill("run", &["data.limit=8", "--until", "mix", "--dry-run"]);
    assert!(log.contains("train, a later stage, will fail: "), "{log}");

    // What changes the transfer set's key and none of its examples leaves the training valid.
    folder.write("texts.txt", "O mar fica longe da cidade grande.\n".into());
    let texts = "evaluate.texts.por_Latn=texts.txt";
    let trained = |name: &str| before[&run.join(name)] == fs::read(run.join(name)).expect("a file");
    let (_, log) = folder.xldistill("run", &[texts]);
    assert!(
        trained("train/manifest.json") && trained("model/adapter_model.safetensors"),
        "{log}"
    );
    assert!(!trained("mix/manifest.json"), "{log}");

    // Without checkpoints, too, the model is one that somebody waited for.
    let cleaned = std::process::Command::new(env!("CARGO_BIN_EXE_xldistill"))
        .arg("clean")
        .arg(&run)
        .output();
    assert!(cleaned.expect("starts").status.success());
    let said = folder.fails("train", &[texts, "train.epochs=2"]);
    assert!(said.contains("epochs was 1"), "{said}");

    // What is known of a deleted stage only once it has run again is looked at then.
    let later = ["translate/manifest.json", "mix/manifest.json"].map(|name| run.join(name));
    let read = || later.clone().map(|path| fs::read(path).expect("a file"));
    let kept = read();
    fs::remove_dir_all(run.join("answer")).expect("removes");
    let said = folder.fails("run", &[texts, "data.limit=8"]);
    assert!(
        said.contains("the results of the stage translate will differ"),
        "{said}"
    );
    assert!(read() == kept, "{said}");

    fs::remove_dir_all(run.join("train")).expect("removes");
    folder.xldistill("run", &[texts, "data.limit=8"]);
    assert!(!trained("train/manifest.json"));
    // All answers of this model were cut off, and rejected.
    let card = fs::read_to_string(run.join("model/README.md")).expect("a card");
    assert!(
        card.contains("learnt from given answers to questions in English, translated"),
        "{card}"
    );
    // Scores are called and written as in the report.
    let row =
        "| Translation, English → Portuguese | answers cut off | 100.0\u{a0}% | 100.0\u{a0}% |";
    assert!(card.contains(row), "{card}");
}

#[test]
fn damaged_texts_are_made_again_and_the_training_stays() {
    let folder = Folder::new(twelve_rows(), &format!("{RUN}{UP_TO_FILTER}{LATER}"));
    folder.xldistill("run", &[]);
    let run = folder.path("run");
    let before = files(&run);
    for stage in ["answer", "mix"] {
        let damaged = run.join(stage).join("part-00000-of-00001.jsonl");
        fs::write(&damaged, &before[&damaged][..100]).expect("writes");
        folder.xldistill("run", &["--dry-run"]);
        let (_, log) = folder.xldistill("run", &[]);
        let again = files(&run);
        for name in [
            "train/manifest.json",
            "train/metrics.jsonl",
            "model/adapter_model.safetensors",
            &format!("{stage}/part-00000-of-00001.jsonl"),
        ] {
            let path = run.join(name);
            assert!(again[&path] == before[&path], "{stage}: {name}: {log}");
        }
        // Other settings are refused all the same.
        fs::write(&damaged, &before[&damaged][..100]).expect("writes");
        let said = folder.fails("run", &["train.epochs=2"]);
        assert!(said.contains("epochs was 1"), "{stage}: {said}");
        fs::write(&damaged, &before[&damaged]).expect("writes");
    }
}
