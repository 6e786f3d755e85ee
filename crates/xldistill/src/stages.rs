//! A stage of a run. A stage is a file in the folder of its system and a line in that system's list,
//! from which commands, `--from` and `--until`, `--dry-run`, shards and `plan` are derived.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use artefacts::{Key, MANIFEST_FILE, Manifest, Provenance};
use evaluation::report::Cost;
use serde_json::Value;

use crate::checks::Checks;
use crate::config_file::ConfigError;
use crate::kept_training::Trained;
use crate::run::Run;
use crate::system::SystemConfig;
use crate::terminal::readable;

/// A step of a run of the config `C`, with a folder of its own.
pub trait Stage<C: SystemConfig>: Sync {
    /// Name of the stage and of its folder, in `snake_case`.
    fn name(&self) -> &'static str;

    /// Its command: its name with hyphens.
    fn command(&self) -> &'static str {
        self.name()
    }

    /// A short description.
    fn about(&self) -> &'static str;

    /// Names of the stages whose results it reads, those that a run may lack included.
    fn depends_on(&self) -> &'static [&'static str];

    /// Whether a run of `config` has it. The commands treat other stages as if there were none.
    fn is_wanted(&self, config: &C) -> bool {
        let _ = config;
        true
    }

    /// Whether it works row by row, so that its rows can be split among processes.
    fn shardable(&self) -> bool {
        false
    }

    /// Number of shards that have rows, of more, given the results of the stages it depends on.
    fn most_shards(&self, run: &Run<'_, C>) -> Result<u64> {
        let _ = run;
        Ok(1)
    }

    /// Checks everything it needs except the results of other stages.
    fn check(&self, run: &Run<'_, C>, checks: &mut Checks<'_>) -> Result<()>;

    /// The key of the result of [`Stage::work`], given the results of the stages it depends on, which
    /// are finished. Changes nothing; fails if something that the key depends on is missing.
    fn key(&self, run: &Run<'_, C>) -> Result<Key>;

    /// The finished result in its folder, whatever config it was made with.
    fn finished(&self, run: &Run<'_, C>) -> Option<Finished> {
        let path = run.folder(self.name()).join(MANIFEST_FILE);
        let manifest = Manifest::<Value>::read(&path).ok()??;
        Some(Finished {
            rows: manifest.results["counts"]["outputs"].as_u64(),
            key: manifest.key,
        })
    }

    /// What it has trained in the run's folder, finished or not.
    fn trained(&self, run: &Run<'_, C>) -> Vec<Trained> {
        let _ = run;
        Vec::new()
    }

    /// From what it would make `trained` now, given the results of the stages it depends on.
    fn origin(&self, run: &Run<'_, C>, trained: &Trained) -> Result<Provenance> {
        let _ = run;
        Ok(trained.from.clone())
    }

    /// Makes its result in `folder` instead of its own if that takes no model and little time;
    /// returns whether it does.
    fn preview(&self, run: &Run<'_, C>, folder: &Path) -> Result<bool> {
        let _ = (run, folder);
        Ok(false)
    }

    /// Does the remaining work; returns a summary.
    fn work(&self, run: &Run<'_, C>) -> Result<String>;
}

impl<C: SystemConfig> dyn Stage<C> + '_ {
    /// Runs it and prints its summary.
    pub fn run(&self, run: &Run<'_, C>) -> Result<()> {
        let name = self.name();
        run.record_config(name)?;
        let started = Instant::now();
        let summary = self.work(run);
        let summary = summary.with_context(|| format!("stage {name} failed"))?;
        let elapsed = started.elapsed();
        // A stage that found its work done tells nothing of what the run needs.
        if elapsed >= Duration::from_secs(1) && name != "report" {
            Cost::note(run.config.output())?;
        }
        let elapsed = readable(elapsed);
        run.progress
            .note(&format!("{name:>12}  {summary}  ({elapsed})"));
        Ok(())
    }
}

/// A finished result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its key.
    pub key: Key,
    /// Number of its rows, if it has rows.
    pub rows: Option<u64>,
}

/// Standing of a stage in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// The key of its result: known once the stages it depends on are finished and the files it
    /// needs are there.
    pub key: Option<Key>,
}

impl Standing {
    /// Number of shards of the `stage` that have rows, of more; `None` if it has no shards, or its
    /// key is not known.
    pub fn most_shards<C: SystemConfig>(
        &self,
        run: &Run<'_, C>,
        stage: &dyn Stage<C>,
    ) -> Option<u64> {
        let known = self.key.is_some() && stage.shardable();
        known.then(|| stage.most_shards(run).ok()).flatten()
    }
}

/// The standings of `stages`, by name. Nothing is changed or loaded, but models are hashed.
pub fn standings<C: SystemConfig>(
    run: &Run<'_, C>,
    stages: &[&dyn Stage<C>],
) -> BTreeMap<&'static str, Standing> {
    let mut standings = BTreeMap::<&'static str, Standing>::new();
    let mut looking = run.looking();
    for stage in stages {
        let of = |name: &&&'static str| standings.get(**name);
        let mut before = stage.depends_on().iter().filter_map(|name| of(&name));
        let is_there = |state| matches!(state, State::Finished(_) | State::InStore(_));
        let ready = before.all(|before| is_there(before.state));
        let key = ready.then(|| stage.key(&looking).ok()).flatten();
        let state = match stage.finished(run) {
            // On a machine without the models, what is there is taken as it is.
            Some(finished) if ready && key.as_ref().is_none_or(|key| *key == finished.key) => {
                State::Finished(finished.rows)
            }
            Some(_) => State::Outdated,
            None if run.folder(stage.name()).exists() => State::Unfinished,
            None => State::ToDo,
        };
        let state = match (state, &key) {
            (State::Finished(_), _) | (_, None) => state,
            (_, Some(key)) => in_store(&mut looking, *stage, key).unwrap_or(state),
        };
        standings.insert(stage.name(), Standing { state, key });
    }
    standings
}

/// The state of a stage whose finished result with `key` the store has; `looking` then finds it there.
fn in_store<C: SystemConfig>(
    looking: &mut Run<'_, C>,
    stage: &dyn Stage<C>,
    key: &Key,
) -> Option<State> {
    let name = stage.name();
    if !looking.find(name, key) {
        return None;
    }
    let finished = stage.finished(looking).filter(|found| found.key == *key);
    if finished.is_none() {
        looking.forget(name);
    }
    finished.map(|finished| State::InStore(finished.rows))
}

/// The state of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not started.
    ToDo,
    /// Started, but not finished.
    Unfinished,
    /// Finished with other settings or inputs; what did not change will be reused.
    Outdated,
    /// Finished, with the number of its rows, if it has rows.
    Finished(Option<u64>),
    /// Finished by another run, in the store; this run will link to it.
    InStore(Option<u64>),
}

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            State::ToDo => "to-do",
            State::Unfinished => "unfinished",
            State::Outdated => "outdated",
            State::Finished(_) => "finished",
            State::InStore(_) => "in-store",
        }
    }
}

/// The stages of a run of `config`, each after those it depends on.
pub fn of<C: SystemConfig>(config: &C) -> Vec<&'static dyn Stage<C>> {
    let stages = C::stages().iter().copied();
    stages.filter(|stage| stage.is_wanted(config)).collect()
}

/// Names of the stages of a run of `config` whose results `stage` reads.
pub fn before<C: SystemConfig>(stage: &dyn Stage<C>, config: &C) -> Vec<&'static str> {
    let names: Vec<&str> = of(config).iter().map(|stage| stage.name()).collect();
    let read = stage.depends_on().iter().copied();
    read.filter(|name| names.contains(name)).collect()
}

/// Index among the stages of a run of `config` of the one with this command.
///
/// # Errors
/// The run or its system has no such stage.
pub fn position<C: SystemConfig>(command: &str, config: &C) -> Result<usize, ConfigError> {
    let stages = of(config);
    let is_named = |stage: &&dyn Stage<C>| stage.command() == command;
    stages.iter().position(is_named).ok_or_else(|| {
        let what = match C::stages().iter().any(is_named) {
            true => "no stage of this run, whose config does not ask for it".to_owned(),
            false => format!(
                "no stage of the system {}, which the config is for",
                C::SYSTEM.name()
            ),
        };
        let stages: Vec<&str> = stages.iter().map(|stage| stage.command()).collect();
        ConfigError(format!(
            "{command} is {what}; its stages: {}",
            stages.join(", ")
        ))
    })
}
