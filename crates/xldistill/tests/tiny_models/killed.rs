//! A whole run, training, adapters and export included, that is killed at any moment and started
//! again ends with the files of an undisturbed one and leaves nothing else.
//!
//! `XLDISTILL_KILLS` sets the number of kills. They come at random moments; with
//! `XLDISTILL_KILL_CALLS=1`, which needs strace, they come at random system calls, as most moments
//! between two writes are none of their own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run_folder::folder;
use crate::tiny_run::Folder;

const PROGRAM: &str = env!("CARGO_BIN_EXE_xldistill");

/// What the user does: the command, and the folder that it makes.
const COMMANDS: [(&str, &[&str]); 4] = [
    ("run", &["--quiet", "run", "config.toml"]),
    (
        "gguf",
        &[
            "export",
            "--model",
            "run/model",
            "--to",
            "gguf",
            "--type",
            "q8_0",
            "gguf",
        ],
    ),
    (
        "peft",
        &["export", "--model", "run/model", "--to", "peft", "peft"],
    ),
    (
        "merged",
        &[
            "export",
            "--model",
            "run/model",
            "--to",
            "merged",
            "--type",
            "f32",
            "merged",
        ],
    ),
];

/// System calls that open, change or list what is on disk; others change nothing that a later
/// process could see.
const CALLS: [&str; 12] = [
    "openat",
    "read",
    "write",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "mkdir",
    "fsync",
    "fdatasync",
    "symlink",
    "close",
];

/// Keys of JSON files that say when, how fast, with how much memory and with how much of it done
/// before, and so differ between any two runs.
const TIMES: [&str; 11] = [
    "cost",
    "date",
    "end_time",
    "finished_at",
    "reused",
    "rows_per_second",
    "seconds",
    "start_time",
    "time",
    "tokens_per_second",
    "total_evaluation_time_seconds",
];

/// Pseudo-random numbers in 0..1.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as f64 / f64::from(1u32 << 31)
    }
}

fn command(folder: &Folder, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&folder.0);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The commands that are left, each to its end.
fn whole(folder: &Folder) {
    for (made, arguments) in COMMANDS {
        // A run is finished when it says so; a folder that was exported is there as a whole.
        if made == "run" || !folder.path(made).exists() {
            let output = command(folder, PROGRAM, arguments)
                .stderr(Stdio::piped())
                .output();
            let output = output.expect("starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{made}: {said}");
        }
    }
}

/// The commands that are left, killed once `left` has passed; returns whether that hit one.
fn killed_at_a_moment(folder: &Folder, left: Duration) -> bool {
    let end = Instant::now() + left;
    for (made, arguments) in COMMANDS {
        if made != "run" && folder.path(made).exists() {
            continue;
        }
        let mut victim = command(folder, PROGRAM, arguments).spawn().expect("starts");
        while victim.try_wait().expect("known").is_none() {
            if Instant::now() >= end {
                // It may have ended since.
                let _ = victim.kill();
                return !victim.wait().expect("ends").success();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    false
}

/// A command under strace, which kills it at the `number`-th call of this kind in one of its threads.
fn killed_at_a_call(folder: &Folder, arguments: &[&str], call: &str, number: usize) -> bool {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=SIGKILL:when={number}");
    let options = [
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
        PROGRAM,
    ];
    let arguments = [&options[..], arguments].concat();
    let status = command(folder, "strace", &arguments).status();
    !status.expect("strace is installed").success()
}

/// Most calls of each kind in one thread, by command.
fn calls(folder: &Folder) -> Vec<BTreeMap<String, usize>> {
    let log = folder.path("calls");
    let count = |(_, arguments): (&str, &[&str])| {
        let trace = format!("trace={}", CALLS.join(","));
        let log_name = log.display().to_string();
        let options = ["-f", "-qq", "-o", &log_name, "-e", &trace, PROGRAM];
        let traced = command(folder, "strace", &[&options[..], arguments].concat()).status();
        assert!(traced.expect("strace is installed").success());
        let mut by_thread: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in fs::read_to_string(&log).expect("a log").lines() {
            let Some((thread, rest)) = line.split_once(' ') else {
                continue;
            };
            let call = rest.trim_start().split('(').next().unwrap_or_default();
            *by_thread.entry((thread.into(), call.into())).or_default() += 1;
        }
        let mut most: BTreeMap<String, usize> = BTreeMap::new();
        for ((_, call), count) in by_thread {
            if CALLS.contains(&call.as_str()) {
                let known = most.entry(call).or_default();
                *known = count.max(*known);
            }
        }
        most
    };
    let counts = COMMANDS.into_iter().map(count).collect();
    fs::remove_file(log).expect("removable");
    counts
}

/// The files of the run and its exports by name, without times.
fn files(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    collect(folder.0.path(), folder.0.path(), &mut found);
    found
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, found);
            continue;
        }
        let name = path.strip_prefix(root).expect("below");
        let name = name.display().to_string();
        if path.is_symlink() {
            let target = fs::read_link(&path).expect("a link");
            found.insert(name, target.display().to_string().into_bytes());
        } else if name.contains("tfevents") {
            // Its name has the time at which the run began.
            found.insert("run/train/tfevents".into(), Vec::new());
        } else if name.ends_with("cost.json") {
            // The memory of stages that took more than a second.
        } else if name.ends_with("report.html") {
            // Made of report.json; shows speeds.
            found.insert(name, Vec::new());
        } else if name.ends_with(".json") {
            let text = fs::read_to_string(&path).expect("a file");
            let mut value = serde_json::from_str(&text).expect("JSON");
            timeless(&mut value);
            found.insert(name, value.to_string().into_bytes());
        } else if name.ends_with("metrics.jsonl") {
            let text = fs::read_to_string(&path).expect("a file");
            let lines = text.lines().map(|line| {
                let mut metric = serde_json::from_str(line).expect("JSON");
                timeless(&mut metric);
                format!("{metric}\n")
            });
            found.insert(name, lines.collect::<String>().into_bytes());
        } else {
            found.insert(name, fs::read(&path).expect("a file"));
        }
    }
}

fn timeless(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(timeless),
        Value::Object(fields) => {
            fields.retain(|key, _| !TIMES.contains(&key.as_str()));
            fields.values_mut().for_each(timeless);
        }
        _ => {}
    }
}

fn remove(folder: &Folder) {
    for (made, _) in COMMANDS {
        fs::remove_dir_all(folder.path(made)).expect("removable");
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_the_files_of_an_undisturbed_one() {
    let kills =
        std::env::var("XLDISTILL_KILLS").map_or(4, |count| count.parse().expect("a number"));
    let at_calls = std::env::var_os("XLDISTILL_KILL_CALLS").is_some();
    let folder = folder();
    let started = Instant::now();
    whole(&folder);
    let time = started.elapsed();
    let expected = files(&folder);
    for part in [
        "run/model/adapter",
        "run/model-merged/",
        "gguf/",
        "peft/adapter",
        "merged/",
    ] {
        assert!(
            expected.keys().any(|name| name.starts_with(part)),
            "{part}: {:?}",
            expected.keys()
        );
    }
    remove(&folder);
    let calls = match at_calls {
        true => calls(&folder),
        false => Vec::new(),
    };
    if at_calls {
        remove(&folder);
    }

    let (mut killed, mut number, mut chance) = (0, 0, Chance(0x9E37_79B9_7F4A_7C15));
    while killed < kills {
        number += 1;
        let mut how = Vec::new();
        // Up to three kills in one run, the later ones while it resumes.
        for _ in 0..1 + number % 3 {
            let hit = if at_calls {
                // Half of the kills are in the run itself, the rest in the exports.
                let place = (chance.next() * 6.0) as usize;
                let place = place.saturating_sub(2);
                for (made, arguments) in &COMMANDS[..place] {
                    if *made == "run" || !folder.path(made).exists() {
                        let status = command(&folder, PROGRAM, arguments).status();
                        assert!(status.expect("starts").success(), "{made} after {how:?}");
                    }
                }
                let (made, arguments) = COMMANDS[place];
                if made != "run" && folder.path(made).exists() {
                    continue;
                }
                let (call, most) = calls[place]
                    .iter()
                    .nth((chance.next() * calls[place].len() as f64) as usize)
                    .expect("a call");
                let at = 1 + (chance.next() * *most as f64) as usize;
                how.push(format!("{made}: {call} {at}"));
                killed_at_a_call(&folder, arguments, call, at)
            } else {
                let moment = time.mul_f64(chance.next());
                how.push(format!("{moment:?}"));
                killed_at_a_moment(&folder, moment)
            };
            killed += usize::from(hit);
        }
        whole(&folder);
        let found = files(&folder);
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "killed at {how:?}");
        for (name, content) in &expected {
            assert!(
                found[name] == *content,
                "killed at {how:?}: {name} differs:\n{}\n{}",
                String::from_utf8_lossy(content).escape_debug(),
                String::from_utf8_lossy(&found[name]).escape_debug()
            );
        }
        remove(&folder);
    }
    println!("{killed} kills in {number} runs");
}
