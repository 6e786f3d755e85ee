//! From a finished run to a model in other programs: export, chat, clean.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/gguf/bpe.gguf")
}

fn xldistill(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    command.args(arguments);
    command
}

fn output(arguments: &[&str], input: &str) -> Output {
    fixtures::fed(&mut xldistill(arguments), input)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_model_is_exported_and_answers_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = tiny().display().to_string();
    let greedy = |model: &str| {
        let arguments = [
            "generate",
            "--model",
            model,
            "--max-new-tokens",
            "5",
            "--raw",
        ];
        let output = output(&arguments, "a b c\n");
        assert!(output.status.success(), "{}", said(&output));
        output.stdout
    };
    for (to, numbers, file) in [
        ("gguf", "f32", "bpe-f32.gguf"),
        ("gguf", "q8_0", "bpe-q8_0.gguf"),
        ("merged", "f32", "model.safetensors"),
    ] {
        let out = folder.path().join(format!("{to}-{numbers}"));
        let out_text = out.display().to_string();
        let arguments = [
            "export", "--model", &model, "--to", to, "--type", numbers, &out_text,
        ];
        let exported = output(&arguments, "");
        assert!(exported.status.success(), "{}", said(&exported));
        assert!(
            said(&exported).contains("the same token ids"),
            "{}",
            said(&exported)
        );
        assert!(out.join(file).is_file(), "{file}");
        assert_eq!(out.join("Modelfile").is_file(), to == "gguf");
        if numbers == "f32" {
            assert_eq!(greedy(&out_text), greedy(&model), "{to}");
        }
        // Nothing is overwritten.
        let again = output(&arguments, "");
        assert!(
            !again.status.success() && said(&again).contains("is not empty"),
            "{}",
            said(&again)
        );
    }
    let peft = folder.path().join("peft").display().to_string();
    let refused = output(&["export", "--model", &model, "--to", "peft", &peft], "");
    assert!(
        said(&refused).contains("is no PEFT adapter"),
        "{}",
        said(&refused)
    );
    let arguments = [
        "export", "--model", &model, "--to", "gguf", "--type", "q3", &peft,
    ];
    let refused = output(&arguments, "");
    assert!(
        said(&refused).contains("use f32, f16, bf16 or q8_0"),
        "{}",
        said(&refused)
    );
    assert_eq!(refused.status.code(), Some(2));
}

/// The adapter's base model is found from its new folder.
#[test]
fn an_adapter_is_merged_and_moved() {
    let adapter =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/llama/grouped_tied_lora");
    let adapter = adapter.display().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    for (to, file) in [("merged", "config.json"), ("peft", "adapter_config.json")] {
        let out = folder.path().join(to);
        let out_text = out.display().to_string();
        let exported = output(&["export", "--model", &adapter, "--to", to, &out_text], "");
        assert!(exported.status.success(), "{to}: {}", said(&exported));
        assert!(out.join(file).is_file(), "{to}");
        assert!(out.join("tokenizer.json").is_file(), "{to}");
    }
    // Its tokenizer splits text as Qwen 2's does, but without composing letters first (NFC).
    let out = folder.path().join("gguf");
    let out_text = out.display().to_string();
    let refused = output(
        &["export", "--model", &adapter, "--to", "gguf", &out_text],
        "",
    );
    assert!(
        said(&refused).contains("the format cannot describe this tokenizer"),
        "{}",
        said(&refused)
    );
    assert!(!out.join("grouped_tied_lora-f16.gguf").exists());
    let config = fs::read_to_string(folder.path().join("peft/adapter_config.json")).expect("read");
    let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let base = Path::new(config["base_model_name_or_path"].as_str().expect("a path"));
    assert!(base.is_absolute() && base.is_dir(), "{}", base.display());
}

#[test]
fn a_conversation_through_a_pipe() {
    let model = tiny().display().to_string();
    let arguments = [
        "chat",
        "--model",
        &model,
        "--temperature",
        "0",
        "--max-tokens",
        "4",
    ];
    let talk = output(
        &arguments,
        "hello\n/reset\nhello\n/nonsense\n/quit\nnever read\n",
    );
    assert!(talk.status.success(), "{}", said(&talk));
    let answers = String::from_utf8(talk.stdout.clone()).expect("text");
    let one = output(&arguments, "hello");
    let one = String::from_utf8(one.stdout).expect("text");
    // After /reset, the same question has the same answer.
    assert_eq!(answers, one.repeat(2));
    assert!(
        said(&talk).contains("/nonsense is no command"),
        "{}",
        said(&talk)
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_between_answers_says_how_to_leave() {
    let model = tiny().display().to_string();
    let mut child = xldistill(&["chat", "--model", &model, "--max-new-tokens", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
    let pid = child.id().to_string();
    // An unknown command is answered between two turns, so nothing is being generated after it.
    writeln!(stdin, "/nonsense").expect("read");
    let until = |part: &str, said: &mut BufReader<_>| {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert!(said.read_line(&mut line).expect("read") > 0, "no {part:?}");
        }
    };
    until("/nonsense is no command", &mut said);
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.expect("kill").success());
    until("(/quit or Ctrl-D leaves)", &mut said);
    writeln!(stdin, "hello\n/quit").expect("read");
    let mut answer = String::new();
    assert!(answers.read_line(&mut answer).expect("an answer") > 0);
    assert!(child.wait().expect("ends").success());
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

#[test]
fn runs_of_a_grid_and_a_store_are_cleaned() {
    for by_store in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |path: &str| folder.path().join(path);
        write(at("store/.store"), "");
        write(at("elsewhere/checkpoint-8/trainer_state.json"), "{}");
        for (key, finished) in [("0a1b", true), ("2c3d", false)] {
            let train = format!("store/train-{key}");
            write(
                at(&format!("{train}/checkpoint-8/model.safetensors")),
                "0123456789",
            );
            write(
                at(&format!("{train}/checkpoint-8/trainer_state.json")),
                r#"{"files": {"model.safetensors": "x"}}"#,
            );
            let run = at(&format!("grid/runs/{key}"));
            write(run.join("config.toml"), "");
            symlink(at(&train), run.join("train")).expect("a link");
            symlink(at("elsewhere"), run.join("mine")).expect("a link");
            if finished {
                write(at(&format!("{train}/manifest.json")), "{}");
                write(
                    at(&format!("store/model-{key}/model.safetensors")),
                    "the model",
                );
            }
        }
        let runs = ["0a1b", "2c3d"].map(|key| {
            let folder = at(&format!("grid/runs/{key}"));
            format!(
                r#"{{"name": "{key}", "folder": {folder:?}, "overrides": [], "state": "finished"}}"#
            )
        });
        write(
            at("grid/grid.json"),
            &format!(r#"{{"grid": "grid.toml", "runs": [{}]}}"#, runs.join(", ")),
        );

        let cleaned = match by_store {
            true => at("store"),
            false => at("grid"),
        };
        let output = output(&["clean", &cleaned.display().to_string()], "");
        assert!(output.status.success(), "{}", said(&output));
        assert!(
            said(&output).contains("2 files deleted"),
            "{}",
            said(&output)
        );
        assert!(!at("store/train-0a1b/checkpoint-8").exists());
        assert!(at("store/model-0a1b/model.safetensors").exists());
        assert!(at("store/train-2c3d/checkpoint-8/model.safetensors").exists());
        assert!(at("elsewhere/checkpoint-8/trainer_state.json").exists());
        assert!(
            said(&output)
                .contains("train-2c3d: the checkpoints stay, since the training is not finished")
        );
    }
}

#[test]
fn a_finished_run_is_cleaned_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path();
    let checkpoint = r#"{"files": {"optimizer.safetensors": "x", "model.safetensors": "y"}}"#;
    for training in ["train", "unfinished"] {
        for file in ["optimizer.safetensors", "model.safetensors"] {
            write(
                run.join(training).join("checkpoint-8").join(file),
                "0123456789",
            );
        }
        write(
            run.join(training).join("checkpoint-8/trainer_state.json"),
            checkpoint,
        );
    }
    write(run.join("train/manifest.json"), "{}");
    write(run.join("train/checkpoint-9/notes.txt"), "mine");
    write(run.join("train/checkpoint-8/notes.txt"), "mine");
    write(run.join("model/model.safetensors"), "the model");
    write(run.join("mix/train.jsonl.incomplete"), "torn");
    let path = run.display().to_string();

    let refused = output(&["clean", &path], "");
    assert!(
        said(&refused).contains("has no config.toml"),
        "{}",
        said(&refused)
    );
    write(run.join("config.toml"), "");

    let shown = output(&["clean", "--dry-run", &path], "");
    assert!(said(&shown).contains("4 files, 1 kB"), "{}", said(&shown));
    assert!(
        run.join("train/checkpoint-8/optimizer.safetensors")
            .exists()
    );

    let cleaned = output(&["clean", &path], "");
    assert!(cleaned.status.success(), "{}", said(&cleaned));
    assert_eq!(cleaned.stdout, shown.stdout);
    for gone in [
        "train/checkpoint-8/optimizer.safetensors",
        "train/checkpoint-8/model.safetensors",
        "train/checkpoint-8/trainer_state.json",
        "mix/train.jsonl.incomplete",
    ] {
        assert!(!run.join(gone).exists(), "{gone}");
    }
    for kept in [
        "train/checkpoint-8/notes.txt",
        "train/checkpoint-9/notes.txt",
        "model/model.safetensors",
        "unfinished/checkpoint-8/optimizer.safetensors",
    ] {
        assert!(run.join(kept).exists(), "{kept}");
    }
    let said = said(&cleaned);
    assert!(said.contains("the training is not finished"), "{said}");
    assert!(
        said.contains("checkpoint-8 stays: it holds other files"),
        "{said}"
    );
}
