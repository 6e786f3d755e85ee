//! A run that is killed in the middle of every stage of the transfer set leaves the files of an
//! undisturbed one.
#![cfg(unix)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The stages: their folders and their commands.
const STAGES: [(&str, &str); 8] = [
    ("answer", "answer"),
    ("translate", "translate"),
    ("filter", "filter"),
    ("code_switch", "code-switch"),
    ("passages", "passages"),
    ("instruct", "instruct"),
    ("native", "native"),
    ("mix", "mix"),
];

/// The signal that ends a process whose file has become too large.
const SIGXFSZ: i32 = 25;

/// One stage of the quickstart with native text; a file that grows past `limit` bytes kills it, in the middle of a
/// write.
fn stage(command: &str, output: &Path, limit: Option<u64>) -> Command {
    let program = env!("CARGO_BIN_EXE_xldistill");
    let mut stage = match limit {
        None => Command::new(program),
        Some(bytes) => {
            // The shell counts blocks of 512 bytes.
            let limits = format!("ulimit -c 0; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
            let mut shell = Command::new("sh");
            shell.args(["-c", &limits, program]);
            shell
        }
    };
    stage
        .args(["--quiet", command])
        .arg(fixtures::repository().join("examples/native/por.toml"))
        .arg(format!("output={}", output.display()))
        .args([
            "data.limit=40",
            "answer.max_new_tokens=8",
            "answer.batch_size=4",
            "reverse_instructions.min_fit=-10",
        ])
        .stdout(Stdio::null());
    stage
}

/// The row files of a stage: all that must not depend on how often it was killed.
fn row_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".jsonl") || name.ends_with(".tsv") {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

mod with_models {
    use super::*;

    #[test]
    #[ignore = "needs models: make test-models"]
    fn a_killed_run_ends_with_the_bytes_of_an_undisturbed_one() {
        for model in [
            fixtures::SMOLLM2,
            fixtures::FIREFOX_EN_PT,
            fixtures::FIREFOX_PT_EN,
        ] {
            fixtures::model(model);
        }
        let folder = tempfile::tempdir().unwrap();
        let undisturbed = folder.path().join("undisturbed");
        let killed = folder.path().join("killed");
        for (name, command) in STAGES {
            let started = Instant::now();
            assert!(
                stage(command, &undisturbed, None)
                    .status()
                    .unwrap()
                    .success()
            );
            let whole = started.elapsed();
            let expected = row_files(&undisturbed.join(name));
            let largest = expected.values().map(Vec::len).max().unwrap() as u64;

            // Twice at a place, which the second time lies behind the first.
            for limit in [largest / 3, largest * 2 / 3] {
                let status = stage(command, &killed, Some(limit)).status().unwrap();
                assert_eq!(
                    status.signal(),
                    Some(SIGXFSZ),
                    "{name} at {limit}: {status}"
                );
                assert!(killed.join(name).is_dir(), "{name} had not begun");
                assert!(!killed.join(name).join("manifest.json").exists());
            }
            // Once at a moment. Where that hits, and whether it does, depends on the machine.
            let mut victim = stage(command, &killed, None).spawn().unwrap();
            thread::sleep(whole / 2 + Duration::from_millis(20));
            let _ = victim.kill();
            victim.wait().unwrap();
            assert!(stage(command, &killed, None).status().unwrap().success());

            let found = row_files(&killed.join(name));
            assert!(
                expected.keys().eq(found.keys()),
                "{:?} and {:?}",
                expected.keys(),
                found.keys()
            );
            for (file, bytes) in &expected {
                assert!(found[file] == *bytes, "{name}/{file} differs");
            }
        }
    }
}
