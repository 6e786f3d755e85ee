//! A whole run, training and adapters included, that is killed at any moment and started again ends
//! with the files of an undisturbed one and leaves nothing else. `XLDISTILL_KILLS` sets the number of
//! kills.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Folder;
use crate::run_folder::folder;

fn run(folder: &Folder, output: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    program.args(["--quiet", "run", "config.toml", &format!("output={output}")]);
    program.current_dir(&folder.0);
    program.stdout(Stdio::null()).stderr(Stdio::null());
    program
}

/// The files below `folder` by name, with all of their content that must not depend on how often
/// the run was killed.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, found);
            continue;
        }
        let name = path
            .strip_prefix(root)
            .expect("below")
            .display()
            .to_string();
        if path.is_symlink() {
            let target = fs::read_link(&path).expect("a link");
            found.insert(name, target.display().to_string().into_bytes());
        } else if name.ends_with("metrics.jsonl") {
            found.insert(name, timeless(&path));
        } else if name.contains("tfevents") {
            // Its name has the time at which the run began.
            found.insert("train/tfevents".into(), Vec::new());
        } else if [".safetensors", ".jsonl", ".tsv"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            found.insert(name, fs::read(&path).expect("a file"));
        } else {
            found.insert(name, Vec::new());
        }
    }
}

/// The measurements without times and speeds.
fn timeless(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).expect("a file");
    let lines = text.lines().map(|line| {
        let mut metric: Value = serde_json::from_str(line).expect("JSON");
        let fields = metric.as_object_mut().expect("an object");
        fields.remove("time");
        fields.remove("tokens_per_second");
        format!("{metric}\n")
    });
    lines.collect::<String>().into_bytes()
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_the_files_of_an_undisturbed_one() {
    let kills =
        std::env::var("XLDISTILL_KILLS").map_or(4, |count| count.parse().expect("a number"));
    let folder = folder();
    let started = Instant::now();
    assert!(
        run(&folder, "undisturbed")
            .status()
            .expect("starts")
            .success()
    );
    let whole = started.elapsed();
    let expected = files(&folder.path("undisturbed"));
    assert!(
        expected
            .keys()
            .any(|name| name.starts_with("model-merged/")),
        "{:?}",
        expected.keys()
    );

    let (mut killed, mut number, mut seed) = (0, 0, 0x9E37_79B9_7F4A_7C15_u64);
    while killed < kills {
        number += 1;
        let output = format!("killed-{number}");
        // Up to three kills in one run, the later ones while it resumes.
        for _ in 0..1 + number % 3 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let moment = (seed >> 33) as f64 / f64::from(1u32 << 31);
            let mut victim = run(&folder, &output).spawn().expect("starts");
            std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * moment));
            killed += usize::from(victim.try_wait().expect("known").is_none());
            let _ = victim.kill();
            victim.wait().expect("ends");
        }
        let resumed = run(&folder, &output).status().expect("starts");
        assert!(resumed.success(), "run {number}");
        let found = files(&folder.path(&output));
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "run {number}");
        for (name, content) in &expected {
            assert!(found[name] == *content, "run {number}: {name} differs");
        }
        fs::remove_dir_all(folder.path(&output)).expect("removable");
    }
}
