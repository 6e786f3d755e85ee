//! A run that is killed leaves the files of an undisturbed one.
#![cfg(unix)]

use std::thread;
use std::time::{Duration, Instant};

use super::{Run, mt_llm, results};

#[test]
fn a_killed_run_ends_with_the_bytes_of_an_undisturbed_one() {
    let undisturbed = Run::new(&mt_llm());
    let started = Instant::now();
    undisturbed.succeed(&["run"]);
    let whole = started.elapsed();
    let killed = Run::new(&mt_llm());
    // Where a kill hits depends on the machine; six of them, each a little later.
    for part in 1..=6 {
        let mut victim = killed
            .command(&["run", "--quiet"])
            .spawn()
            .expect("it starts");
        thread::sleep(whole * part / 8 + Duration::from_millis(10));
        let _ = victim.kill();
        victim.wait().expect("it ends");
    }
    killed.succeed(&["run"]);
    let within = |run: &Run| -> Vec<(String, Vec<u8>)> {
        let folder = run.path("run");
        let root = folder.display().to_string();
        let files = results(&folder).into_iter();
        files
            .map(|(name, bytes)| (name.replace(&root, ""), bytes))
            .collect()
    };
    let (expected, found) = (within(&undisturbed), within(&killed));
    let names = |files: &[(String, Vec<u8>)]| {
        files
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&expected), names(&found));
    for ((name, expected), (_, found)) in expected.iter().zip(&found) {
        assert!(expected == found, "{name} differs");
    }
}
