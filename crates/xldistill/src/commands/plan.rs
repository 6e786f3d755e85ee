//! `xldistill plan`: prints the stages of a run, for a scheduler.

use std::io::Write;

use anyhow::Result;
use artefacts::Key;
use corpus::{progress::Silent, stage::Shard};
use serde::Serialize;

use crate::{
    arguments::PlanArguments,
    run::Run,
    stages::{self, Stage},
    system::SystemConfig,
    systems::with_config,
    terminal::printed,
};

/// A run, for a scheduler.
#[derive(Serialize)]
struct Plan {
    config: String,
    output: String,
    /// What the config chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    stages: Vec<Step>,
}

/// A stage. Its commands may run at the same time, once the stages it depends on are finished.
#[derive(Serialize)]
struct Step {
    name: &'static str,
    about: &'static str,
    depends_on: Vec<&'static str>,
    shardable: bool,
    folder: String,
    state: &'static str,
    /// Key of the result, once the stages it depends on are finished.
    key: Option<Key>,
    /// Number of shards that have rows, of more; known with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    most_shards: Option<u64>,
    /// A command for each shard.
    commands: Vec<String>,
    /// The command that merges the shards after all `commands`, if there are shards.
    merge: Option<String>,
}

/// Prints the plan.
pub fn run(arguments: &PlanArguments) -> Result<()> {
    let plan = with_config!(arguments.config, |config| plan(arguments, &config));
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&plan)?)?;
        return Ok(());
    }
    if let Some(note) = &plan.note {
        writeln!(out, "{}", printed(note))?;
    }
    for step in &plan.stages {
        let after = match &step.depends_on[..] {
            [] => String::new(),
            stages => format!(", after {}", stages.join(" and ")),
        };
        writeln!(out, "{} ({}{after})", step.name, step.state)?;
        let shards = step.commands.len() as u64;
        if let Some(most) = step.most_shards.filter(|most| *most < shards) {
            let empty = shards - most;
            writeln!(out, "  {empty} of {shards} shards will have no rows")?;
        }
        for command in step.commands.iter().chain(&step.merge) {
            writeln!(out, "  {command}")?;
        }
    }
    Ok(())
}

fn plan<C: SystemConfig>(arguments: &PlanArguments, config: &C) -> Plan {
    let run = Run::new(config, Shard::WHOLE, &Silent);
    let given = &arguments.config;
    let words = given.typed();
    let stages = stages::of(config);
    let standings = stages::standings(&run, &stages);
    let step = |stage: &&'static dyn Stage<C>| {
        let whole = format!("xldistill {} {words}", stage.command());
        let shards = if stage.shardable() {
            arguments.shards
        } else {
            1
        };
        let standing = &standings[stage.name()];
        let shard = |number| format!("{whole} --shard {number}/{shards}");
        Step {
            name: stage.name(),
            about: stage.about(),
            depends_on: stages::before(*stage, config),
            shardable: stage.shardable(),
            folder: run.folder(stage.name()).display().to_string(),
            state: standing.state.name(),
            key: standing.key.clone(),
            most_shards: standing.most_shards(&run, *stage),
            merge: (shards > 1).then(|| whole.clone()),
            commands: match shards {
                1 => vec![whole],
                _ => (0..shards).map(shard).collect(),
            },
        }
    };
    Plan {
        config: given.config.display().to_string(),
        output: config.output().display().to_string(),
        note: config.note(),
        stages: stages.iter().map(step).collect(),
    }
}
