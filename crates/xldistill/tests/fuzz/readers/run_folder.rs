//! What a run finds in its own folder: manifests, rows and their index, journals, metrics,
//! checkpoints, results.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use artefacts::training::{METRICS_FILE, Metric};
use artefacts::{Entries, EntryHash, Journal, Key, Manifest, Record};
use serde_json::Value;

use super::config::program;
use crate::bytes::damage;
use crate::chance::Chance;
use crate::runner::{Files, Reader, any, written};
use crate::tiny_run::{Folder, RUN, UP_TO_FILTER, twelve_rows};
use crate::{formats, json, text};

/// Journal, index, manifest and metrics, without the program around them.
#[test]
fn journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let mut journal = Journal::<2>::open(&path, Duration::ZERO).expect("a journal");
    let method = Key::of(&"method");
    for number in 0..4u32 {
        let mut record = Record::default();
        let hash = EntryHash::of(&method, &number.to_le_bytes());
        record.add(
            hash,
            &[format!("{{\"row\": {number}}}\n").into_bytes(), Vec::new()],
        );
        journal
            .commit(record, Duration::from_millis(3))
            .expect("written");
    }
    drop(journal);
    let journal = fs::read(&path).expect("a file");
    let hash = EntryHash::of(&method, &[]);
    let index = format!("0\t0\n{hash}\t11\t0\n{hash}\t0\t4\n");
    let manifest = r#"{"key": "k", "provenance": {"stage": "answer", "version": 1, "parameters": {}, "engines": [], "inputs": {}}, "xldistill_version": "0.1.0", "files": {"a": "b"}, "finished_at": 1.5, "seconds": 2.0}"#;
    let metrics = "{\"event\": \"train\", \"step\": 1, \"epoch\": 0.5, \"loss\": 5.5, \"losses\": {\"LL\": 1.0}, \"time\": 1.0}\n";
    let mut seed = written(&[
        ("index", &index),
        ("manifest.json", manifest),
        (METRICS_FILE, metrics),
        ("rows", "{\"row\": 0}\n"),
        ("rejected", "no\n"),
    ]);
    seed.insert("journal".into(), journal);
    // Sizes whose sum is more than a number can hold.
    let mut endless = seed.clone();
    let most = u64::MAX;
    let index = format!("7\t0\n{hash}\t{most}\t0\n{hash}\t{most}\t4\n");
    endless.insert("index".into(), index.into_bytes());
    Reader {
        name: "journal",
        seeds: vec![seed, endless],
        inputs: 800,
        memory: 64 << 20,
        change: &|chance, files, other| {
            let lent = other["journal"].clone();
            match any(chance, files) {
                ("manifest.json", content) => json::change(chance, content),
                ("journal", content) if chance.once_in(2) => damage(chance, content, &lent),
                (_, content) => text::change(
                    chance,
                    content,
                    &["chunk ", "\t", "0", "18446744073709551615", "-1", "\n", " "],
                ),
            }
        },
        read: &|folder| {
            let at = |name: &str| folder.join(name);
            let mut entries = Entries::<2>::default();
            let _ = entries.add_finished(&at("index"), [&at("rows"), &at("rejected")]);
            if let Some(stored) = entries.get(&hash) {
                let _ = entries.read(&stored, &mut [Vec::new(), Vec::new()]);
            }
            if let Ok(Some(manifest)) = Manifest::<Value>::read(&at("manifest.json")) {
                let _ = manifest.is_intact(folder);
            }
            let _ = Metric::read_all(folder);
            Journal::<2>::open(&at("journal"), Duration::ZERO).is_ok()
        },
    }
    .fuzz();
}

const LATER: &str = r#"[mix]
held_out_fraction = 0.3
[train]
method = "lora"
epochs = 2
learning_rate = 1e-3
examples_per_step = 8
checkpoint_every = 2
keep_checkpoints = 2
[evaluate]
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
"#;

/// All files below a folder, links as what they lead to.
fn files_below(root: &Path, folder: &Path, found: &mut Files) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.is_symlink() {
                files_below(root, &path, found);
            }
        } else {
            let name = path
                .strip_prefix(root)
                .expect("below")
                .display()
                .to_string();
            found.insert(name, fs::read(path).expect("a file"));
        }
    }
}

fn change(chance: &mut Chance, files: &mut Files) {
    for _ in 0..1 + chance.below(2) {
        let names: Vec<String> = files
            .keys()
            .filter(|name| name.starts_with("run/"))
            .cloned()
            .collect();
        let name = chance.of(&names).clone();
        if chance.once_in(6) {
            files.remove(&name);
            continue;
        }
        let content = files.get_mut(&name).expect("a file");
        if name.ends_with(".json") {
            json::change(chance, content);
        } else if name.ends_with(".safetensors") {
            formats::safetensors(chance, content, &[]);
        } else {
            text::change(
                chance,
                content,
                &[
                    "\t",
                    "\n",
                    "{",
                    "}",
                    "\"",
                    "0",
                    "-1",
                    "18446744073709551615",
                ],
            );
        }
    }
}

/// The program on a folder of its own that is damaged, and on one whose end was killed.
#[test]
fn run_folder() {
    let Folder(folder) = Folder::new(twelve_rows(), &format!("{RUN}{UP_TO_FILTER}{LATER}"));
    let mut run = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    let output = run
        .args(["--quiet", "run", "config.toml"])
        .current_dir(folder.path())
        .output();
    let output = output.expect("starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut whole = Files::new();
    files_below(folder.path(), folder.path(), &mut whole);
    // As after a kill in training, and before it.
    let mut without_end = whole.clone();
    without_end.retain(|name, _| {
        !name.starts_with("run/evaluate/after") && name != "run/train/manifest.json"
    });
    let mut early = whole.clone();
    early.retain(|name, _| {
        !name.starts_with("run/train/")
            && !name.starts_with("run/model")
            && !name.ends_with("manifest.json")
    });
    Reader {
        name: "run_folder",
        seeds: vec![whole, without_end, early],
        inputs: 6,
        memory: 64 << 20,
        change: &|chance, files, _| change(chance, files),
        read: &|folder| {
            program(folder, &["plan", "config.toml", "--json"]);
            program(folder, &["--quiet", "run", "config.toml"])
        },
    }
    .fuzz();
}
