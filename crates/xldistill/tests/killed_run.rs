//! A run that is killed again and again, in every stage of the transfer set, leaves the files of an
//! undisturbed one. Needs the quickstart's models (`./quickstart.sh --models-only`), else skips.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Kills that the test insists on.
const KILLS: usize = 10;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(output: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    command
        .args(["--quiet", "run", "--until", "mix"])
        .arg(root().join("examples/quickstart/por.toml"))
        .arg(format!("output={}", output.display()))
        .args([
            "data.limit=40",
            "answer.max_new_tokens=8",
            "answer.batch_size=4",
        ])
        .stdout(Stdio::null());
    command
}

/// The row files of every stage: all that must not depend on how often a run was killed.
fn row_files(output: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for stage in ["answer", "translate", "filter", "code_switch", "mix"] {
        for entry in fs::read_dir(output.join(stage)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".jsonl") || name.ends_with(".tsv") {
                files.insert(format!("{stage}/{name}"), fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

#[test]
fn a_killed_run_ends_with_the_bytes_of_an_undisturbed_one() {
    if !root().join("models/smollm2-135m-instruct").is_dir() {
        println!("skipped: no models; ./quickstart.sh --models-only fetches them");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (undisturbed, killed) = (
        folder.path().join("undisturbed"),
        folder.path().join("killed"),
    );
    let started = Instant::now();
    assert!(run(&undisturbed).status().unwrap().success());
    let whole = started.elapsed();

    // Each victim goes on where the one before it fell. One that ends before its moment says how
    // long that takes, and loses its folders from some stage on, so that all stages are hit.
    const STAGES: [&str; 5] = ["answer", "translate", "filter", "code_switch", "mix"];
    let mut usual = [whole; STAGES.len()];
    let (mut kills, mut first) = (0, 0);
    for attempt in 0..8 * KILLS {
        if kills == KILLS {
            break;
        }
        let started = Instant::now();
        let mut victim = run(&killed).spawn().unwrap();
        let moment =
            usual[first] * ((attempt * 7 + 3) % 20) as u32 / 20 + Duration::from_millis(30);
        while victim.try_wait().unwrap().is_none() && started.elapsed() < moment {
            thread::sleep(Duration::from_millis(5));
        }
        if victim.try_wait().unwrap().is_none() {
            victim.kill().unwrap();
            kills += 1;
        } else {
            usual[first] = started.elapsed();
            first = attempt % STAGES.len();
            for stage in &STAGES[first..] {
                let _ = fs::remove_dir_all(killed.join(stage));
            }
        }
        victim.wait().unwrap();
    }
    assert_eq!(kills, KILLS, "the runs ended too fast to be killed");
    assert!(run(&killed).status().unwrap().success());

    let (expected, found) = (row_files(&undisturbed), row_files(&killed));
    assert!(
        expected.keys().eq(found.keys()),
        "{:?} and {:?}",
        expected.keys(),
        found.keys()
    );
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} differs after {KILLS} kills");
    }
}
