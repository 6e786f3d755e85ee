//! The stages of a run, in order. A stage is a file in this folder and a line in [`STAGES`], from
//! which commands, `--from` and `--until`, `--dry-run`, shards and `plan` are derived.

pub mod answer;
pub mod code_switch;
pub mod evaluate;
pub mod filter;
pub mod mix;
pub mod report;
pub mod train;
pub mod translate;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use anyhow::{Context, Result};
use artefacts::{Key, MANIFEST_FILE, Manifest};

use crate::checks::Checks;
use crate::run::Run;
use crate::terminal::readable;

/// A step of a run, with a folder of its own.
pub trait Stage: Sync {
    /// Name of the stage and of its folder, in `snake_case`.
    fn name(&self) -> &'static str;

    /// A short description.
    fn about(&self) -> &'static str;

    /// Names of the stages whose results it reads.
    fn depends_on(&self) -> &'static [&'static str];

    /// Whether it works row by row, so that its rows can be split among processes.
    fn shardable(&self) -> bool {
        false
    }

    /// Checks everything it needs except the results of other stages.
    fn check(&self, run: &Run<'_>, checks: &mut Checks<'_>) -> Result<()>;

    /// Its state, according to its folder.
    fn state(&self, run: &Run<'_>) -> State {
        let folder = run.folder(self.name());
        match manifest(&folder) {
            Some(manifest) => State::Finished(manifest.results["counts"]["outputs"].as_u64()),
            None if folder.exists() => State::Unfinished,
            None => State::ToDo,
        }
    }

    /// Does the remaining work; returns a summary.
    fn work(&self, run: &Run<'_>) -> Result<String>;
}

/// The commands of the stages.
static COMMANDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let command = |stage: &&dyn Stage| stage.name().replace('_', "-");
    STAGES.iter().map(command).collect()
});

/// All stages; each comes after those it depends on.
pub const STAGES: [&dyn Stage; 8] = [
    &answer::Answer,
    &translate::Translate,
    &filter::Filter,
    &code_switch::CodeSwitch,
    &mix::Mix,
    &train::Train,
    &evaluate::Evaluate,
    &report::Report,
];

impl dyn Stage + '_ {
    /// Its command: its name with hyphens.
    pub fn command(&self) -> &'static str {
        let at = STAGES.iter().position(|stage| stage.name() == self.name());
        at.map_or(self.name(), |at| &COMMANDS[at])
    }

    /// Runs it and prints its summary.
    pub fn run(&self, run: &Run<'_>) -> Result<()> {
        let name = self.name();
        run.record_config(name)?;
        let started = Instant::now();
        let summary = self.work(run);
        let summary = summary.with_context(|| format!("stage {name} failed"))?;
        let elapsed = readable(started.elapsed());
        run.progress
            .note(&format!("{name:>12}  {summary}  ({elapsed})"));
        Ok(())
    }

    /// The key of its result, if it is finished.
    pub fn key(&self, run: &Run<'_>) -> Option<Key> {
        manifest(&run.folder(self.name())).map(|manifest| manifest.key)
    }
}

/// The manifest of a finished stage.
fn manifest(folder: &Path) -> Option<Manifest> {
    Manifest::read(&folder.join(MANIFEST_FILE)).ok().flatten()
}

/// The state of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not started.
    ToDo,
    /// Started, but not finished.
    Unfinished,
    /// Finished, with the number of its rows, if it has rows.
    Finished(Option<u64>),
}

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            State::ToDo => "to-do",
            State::Unfinished => "unfinished",
            State::Finished(_) => "finished",
        }
    }
}

/// Index in [`STAGES`] of the stage with this command or name.
pub fn position(command: &str) -> Option<usize> {
    let is = |stage: &&dyn Stage| stage.command() == command || stage.name() == command;
    STAGES.iter().position(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_comes_after_those_it_depends_on() {
        for (at, stage) in STAGES.iter().enumerate() {
            for dependency in stage.depends_on() {
                let before = position(dependency).expect("a stage");
                assert!(before < at, "{} before {dependency}", stage.name());
            }
            assert_eq!(position(stage.command()), Some(at));
        }
    }
}
