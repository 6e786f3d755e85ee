//! Kills at random moments and a full disk change no byte of the final files.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use corpus::sampling::Stream;
use corpus::stage::{StageError, manifest};

use crate::{Upper, files, rows, run_whole};

/// Tells the killed process from the one that kills.
const VICTIM_FOLDER: &str = "CORPUS_STAGE_TEST_FOLDER";

fn slow_stage() -> Upper {
    Upper {
        chunk_rows: 8,
        pause: Duration::from_millis(2),
        ..Upper::new()
    }
}

#[test]
#[ignore = "the process that other tests start and stop"]
fn victim() {
    let folder = std::env::var_os(VICTIM_FOLDER).expect("only started by other tests");
    if let Err(error) = run_whole(&slow_stage(), &rows(800), Path::new(&folder)) {
        panic!("{error}");
    }
}

#[cfg(unix)]
#[test]
fn without_room_on_the_disk_nothing_is_lost() {
    let (folder, undisturbed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A limit on the size of files stands for a full disk; ignored, its signal becomes an error.
    let stopped = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 32; exec \"$0\" --ignored --exact interruptions::victim --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(VICTIM_FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stopped.stderr);
    assert!(
        said.contains("cannot write") && said.contains("free some space"),
        "{said}"
    );
    assert!(matches!(
        manifest(folder.path()),
        Err(StageError::Unfinished { .. })
    ));

    let stage = Upper {
        chunk_rows: 8,
        ..Upper::new()
    };
    run_whole(&stage, &rows(800), folder.path()).unwrap();
    let redone = stage.processed();
    assert!(redone > 0 && redone < 800, "{redone} rows were redone");
    run_whole(&stage, &rows(800), undisturbed.path()).unwrap();
    assert_eq!(files(folder.path()), files(undisturbed.path()));
}

#[test]
fn killed_at_any_moment_the_files_end_the_same() {
    let undisturbed = tempfile::tempdir().unwrap();
    run_whole(&slow_stage(), &rows(800), undisturbed.path()).unwrap();
    let expected = files(undisturbed.path());

    let mut moments = Stream::new(7, "moments of the kills");
    let mut kills = 0;
    while kills < 20 {
        let folder = tempfile::tempdir().unwrap();
        // Longer lives after every kill, so that the end is reached on a busy machine, too.
        for life in (1..).map(|attempt| 0.05 * f64::from(attempt)) {
            let mut victim = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "interruptions::victim"])
                .env(VICTIM_FOLDER, folder.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_secs_f64(moments.uniform() * life));
            let ended = victim.try_wait().unwrap();
            victim.kill().unwrap();
            victim.wait().unwrap();
            match ended {
                None => kills += 1,
                Some(status) => {
                    assert!(status.success());
                    break;
                }
            }
        }
        assert_eq!(files(folder.path()), expected, "after {kills} kills");
    }
}
