//! `xldistill run` and the commands of single stages.

use std::io::Write;

use anyhow::{Context, Error, Result};
use corpus::{file_path, progress::Progress, stage::Shard};

use crate::{
    arguments::{ConfigArguments, RunArguments},
    checks::Checks,
    config_file::ConfigError,
    interruption,
    kept_training::{self, Refusal},
    run::Run,
    run_folder,
    stages::{self, Stage, State},
    system::SystemConfig,
    systems::with_config,
    terminal::Terminal,
};

/// Runs the stages from `from` until `until`, by default all.
pub fn stages(
    arguments: &RunArguments,
    from: Option<&str>,
    until: Option<&str>,
    dry_run: bool,
    terminal: &Terminal,
) -> Result<()> {
    with_config!(arguments.config, |config| {
        chosen(&config, arguments, from, until, dry_run, terminal)
    })
}

fn chosen<C: SystemConfig>(
    config: &C,
    arguments: &RunArguments,
    from: Option<&str>,
    until: Option<&str>,
    dry_run: bool,
    terminal: &Terminal,
) -> Result<()> {
    let position = |named: Option<&str>, default| match named {
        Some(named) => stages::position(named, config),
        None => Ok(default),
    };
    let stages = stages::of(config);
    let (first, last) = (position(from, 0)?, position(until, stages.len() - 1)?);
    if first > last {
        let (first, last) = (stages[first].command(), stages[last].command());
        return Err(ConfigError(format!("--from {first} comes after --until {last}")).into());
    }
    let shard = match &arguments.shard {
        Some(text) => text
            .parse()
            .map_err(|error| ConfigError(format!("--shard: {error}")))?,
        None => Shard::WHOLE,
    };
    let run = Run::new(config, shard, terminal);
    let chosen = &stages[first..=last];
    // A stage's own command says nothing of others: a scheduler may run them elsewhere.
    let later = match from.is_some() && from == until {
        true => &[],
        false => &stages[last + 1..],
    };
    if dry_run {
        show(&run, chosen)?;
        check(&run, chosen)?;
        return warn_of_later(&run, chosen, later);
    }
    interruption::watch();
    match shard.is_whole() {
        true => {
            check(&run, chosen)?;
            warn_of_later(&run, chosen, later)?;
            let _lock = run_folder::lock(&run, chosen)?;
            one_after_another(&run, chosen)
        }
        false => one_stage_of_a_shard(&run, chosen, &arguments.config, terminal),
    }
}

/// Checks everything that all stages of a run need.
pub fn check_all<C: SystemConfig>(run: &Run<'_, C>) -> Result<()> {
    check(run, &stages::of(run.config))
}

/// Runs all stages of a checked run.
pub fn all<C: SystemConfig>(run: &Run<'_, C>) -> Result<()> {
    one_after_another(run, &stages::of(run.config))
}

/// Runs checked stages. Whenever one has another result than before, those after it are checked
/// again for a training that is in the way: not everything is known before the first.
fn one_after_another<C: SystemConfig>(run: &Run<'_, C>, chosen: &[&dyn Stage<C>]) -> Result<()> {
    for (at, stage) in chosen.iter().enumerate() {
        let before = stage.finished(run);
        stage.run(run)?;
        if stage.finished(run) != before {
            kept_training::check(run, &chosen[at + 1..])?;
        }
    }
    Ok(())
}

/// Fails if a stage's check fails: before the first stage, not hours later.
fn check<C: SystemConfig>(run: &Run<'_, C>, chosen: &[&dyn Stage<C>]) -> Result<()> {
    let mut failures = Vec::new();
    let mut show = |what: &str, outcome: &Result<String>| {
        if let Err(error) = outcome {
            failures.push(format!("{what}: {}", crate::describe(error)));
        }
        Ok(())
    };
    let mut checks = Checks::new(false, &mut show);
    let folder = run_folder::check(run).map(|()| String::new());
    checks.add("output folder", folder)?;
    let trained = kept_training::check(run, chosen).map(|()| String::new());
    checks.add("earlier training", trained)?;
    chosen
        .iter()
        .try_for_each(|stage| stage.check(run, &mut checks))?;
    match failures.len() {
        0 => Ok(()),
        1 => Err(Error::msg(format!("nothing was started: {}", failures[0]))),
        _ => Err(Error::msg(format!(
            "nothing was started:\n  - {}",
            failures.join("\n  - ")
        ))),
    }
}

/// Warns of what the stages after `--until` would fail for. It does not stop the run: their models
/// and files may still be on their way, which is a reason to stop early.
fn warn_of_later<C: SystemConfig>(
    run: &Run<'_, C>,
    chosen: &[&dyn Stage<C>],
    later: &[&dyn Stage<C>],
) -> Result<()> {
    if !later.is_empty() {
        match kept_training::refusal(run, &[chosen, later].concat()) {
            Ok(None) => {}
            Ok(Some(Refusal { stage, error })) => {
                tracing::warn!("{stage}, a later stage, will fail: {error}");
            }
            Err(error) => tracing::warn!("a later stage will fail: {}", crate::describe(&error)),
        }
    }
    for stage in later {
        let mut show = |what: &str, outcome: &Result<String>| {
            if let Err(error) = outcome {
                let error = crate::describe(error);
                tracing::warn!(
                    "{}, a later stage, will fail: {what}: {error}",
                    stage.command()
                );
            }
            Ok(())
        };
        stage.check(run, &mut Checks::new(false, &mut show))?;
    }
    Ok(())
}

/// Prints the state of the stages as comments, then the config with its overrides.
fn show<C: SystemConfig>(run: &Run<'_, C>, chosen: &[&dyn Stage<C>]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let standings = stages::standings(run, &stages::of(run.config));
    for stage in chosen {
        let folder = run.folder(stage.name());
        let folder = folder.display();
        let standing = &standings[stage.name()];
        let most_shards = standing.most_shards(run, *stage);
        let empty = match most_shards.filter(|most| run.shard.is_empty_of(*most)) {
            Some(most) => {
                let (shard, count) = (run.shard, run.shard.count());
                format!(
                    "; shard {shard} has no rows: there are enough for {most} of {count} shards"
                )
            }
            None => String::new(),
        };
        let state = match standing.state {
            State::ToDo => format!("to do, in {folder}"),
            State::Unfinished => format!("unfinished in {folder}; will be resumed"),
            State::Outdated => {
                let repeated = match stage.shardable() {
                    true => "; only changed rows will be repeated",
                    false => "",
                };
                format!("finished in {folder} with other settings or inputs{repeated}")
            }
            State::Finished(None) => format!("finished in {folder}"),
            State::Finished(Some(rows)) => {
                format!("finished in {folder}: {rows} rows")
            }
            State::InStore(None) => "finished in the store, by another run".to_owned(),
            State::InStore(Some(rows)) => {
                format!("finished in the store, by another run: {rows} rows")
            }
        };
        writeln!(out, "# {:<12} {state}{empty}", stage.name())?;
    }
    if let Some(note) = run.config.note() {
        writeln!(out, "# {note}")?;
    }
    let config = file_path::absolutely(|| toml::to_string_pretty(run.config))?;
    writeln!(out, "\n{config}")?;
    Ok(())
}

/// Runs the first stage that is not merged yet, and says what to do next: every stage needs all
/// rows of the previous one.
fn one_stage_of_a_shard<C: SystemConfig>(
    run: &Run<'_, C>,
    chosen: &[&dyn Stage<C>],
    arguments: &ConfigArguments,
    terminal: &Terminal,
) -> Result<()> {
    let stages = stages::of(run.config);
    let standings = stages::standings(run, &stages);
    let merged = |stage: &dyn Stage<C>| {
        let state = standings[stage.name()].state;
        matches!(state, State::Finished(_))
    };
    let next = match chosen {
        [only] => Some(*only),
        _ => {
            let mut stages = chosen.iter().copied();
            stages.find(|stage| stage.shardable() && !merged(*stage))
        }
    };
    let typed = arguments.typed();
    let whole = stages.iter().find(|stage| !stage.shardable());
    let whole = whole.map_or("", |stage| stage.command());
    let Some(stage) = next.filter(|stage| stage.shardable()) else {
        terminal.note(&format!(
            "all stages with shards are finished: `xldistill run {typed} --from {whole}` does the rest"
        ));
        return Ok(());
    };
    kept_training::check(run, chosen).context("nothing was started")?;
    check(run, &[stage])?;
    let lock = run_folder::lock(run, &[stage])?;
    stage.run(run)?;
    drop(lock);
    let (command, shard) = (stage.command(), run.shard);
    let after = stages::position(command, run.config)? + 1;
    let goes_on = chosen.last().is_some_and(|last| last.command() != command);
    let then = match stages.get(after) {
        Some(next) if goes_on && next.shardable() => {
            format!("; then this command with --shard {shard} does the next stage")
        }
        Some(_) if goes_on => {
            format!("; then `xldistill run {typed} --from {whole}` does the rest")
        }
        _ => String::new(),
    };
    terminal.note(&format!(
        "shard {shard} of {command} is done. Once all {} are, `xldistill {command} {typed}` merges them{then}",
        shard.count()
    ));
    Ok(())
}
