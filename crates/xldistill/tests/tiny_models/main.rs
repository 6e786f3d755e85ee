//! Whole runs on the tiny random models of `reference`. What these learn is nonsense; that every
//! part is reached, shared and reported as it was, is not.

mod base_models;
mod grids;
mod kept;
mod killed;
mod native;
mod other_models;
mod paper_engines;
mod report;
mod rescoring;
mod run_folder;
mod shared;
#[path = "../tiny_run/mod.rs"]
mod tiny_run;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tiny_run::Folder;

impl Folder {
    /// Runs a command on the config; returns its standard output and error.
    fn xldistill(&self, command: &str, arguments: &[&str]) -> (String, String) {
        let (succeeded, printed, log) = self.outcome(command, arguments);
        assert!(succeeded, "{command} {arguments:?}: {log}");
        (printed, log)
    }

    /// Runs a command that fails; returns its standard error.
    fn fails(&self, command: &str, arguments: &[&str]) -> String {
        let (succeeded, _, log) = self.outcome(command, arguments);
        assert!(!succeeded, "{command} {arguments:?} succeeded: {log}");
        log
    }

    fn outcome(&self, command: &str, arguments: &[&str]) -> (bool, String, String) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_xldistill"));
        program.args([command, "config.toml"]).args(arguments);
        let output = program.current_dir(&self.0).output().expect("starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}
