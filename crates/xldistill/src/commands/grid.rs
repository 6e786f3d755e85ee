//! `xldistill grid`: runs a grid, and writes the tables that compare its methods.

use std::io::Write;

use anyhow::{Context, Result, bail};
use corpus::progress::Progress;
use corpus::stage::Shard;
use evaluation::grid::terminal;

use crate::arguments::GridArguments;
use crate::commands;
use crate::grid::{self, Grid, GridFolder, GridRun};
use crate::run::Run;
use crate::system::{SystemConfig, SystemName};
use crate::terminal::{Terminal, columns};
use crate::wrapping::wrapped;
use crate::{classify, mt_llm, sdrrl};

/// Makes the runs that are not finished and prints the tables.
///
/// # Errors
/// Anything wrong with the grid or one of its configs, before the first run; at the end, the runs
/// that failed. One that fails does not keep the others from running.
pub fn run(arguments: &GridArguments, terminal: &Terminal) -> Result<()> {
    match grid::system(&arguments.grid, &arguments.all_overrides())? {
        SystemName::Sdrrl => of_system::<sdrrl::Config>(arguments, terminal),
        SystemName::MtLlm => of_system::<mt_llm::Config>(arguments, terminal),
        SystemName::Classify => of_system::<classify::Config>(arguments, terminal),
    }
}

fn of_system<C: SystemConfig>(arguments: &GridArguments, terminal: &Terminal) -> Result<()> {
    let grid = Grid::<C>::read(&arguments.grid, &arguments.all_overrides())?;
    if arguments.dry_run {
        return show(&grid);
    }
    let mut folder = GridFolder::open(&grid)?;
    if arguments.tables {
        return print(&folder);
    }
    for planned in &grid.runs {
        let checked = commands::run::check_all(&of(planned, terminal));
        checked.with_context(|| format!("run {}", planned.name))?;
    }
    let mut failed = Vec::new();
    for (at, planned) in grid.runs.iter().enumerate() {
        let (number, name) = (at + 1, &planned.name);
        terminal.note(&format!("run {number} of {}: {name}", grid.runs.len()));
        let outcome = commands::run::all(&of(planned, terminal));
        let outcome = outcome.map_err(|error| crate::describe(&error));
        if let Err(message) = &outcome {
            terminal.note(&format!("run {name} failed: {message}"));
            failed.push(format!("{name}: {message}"));
        }
        folder.record(at, outcome)?;
    }
    print(&folder)?;
    let output = &grid.output;
    if let Some(size) = commands::clean::deletable(output) {
        terminal.note(&format!(
            "checkpoints of finished trainings take {size}; `xldistill clean {}` deletes them",
            output.display()
        ));
    }
    match failed.len() {
        0 => Ok(()),
        count => bail!(
            "{count} of {} runs failed; the same command tries them again:\n  {}",
            grid.runs.len(),
            failed.join("\n  ")
        ),
    }
}

fn of<'r, C: SystemConfig>(planned: &'r GridRun<C>, terminal: &'r Terminal) -> Run<'r, C> {
    Run::new(&planned.config, Shard::WHOLE, terminal)
}

fn print<C: SystemConfig>(folder: &GridFolder<'_, C>) -> Result<()> {
    let tables = folder.write_tables()?;
    let text = terminal(&tables);
    let text = columns().map_or(text.clone(), |width| wrapped(&text, usize::from(width)));
    write!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Prints every run with what it changes in the config.
fn show<C>(grid: &Grid<C>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for run in &grid.runs {
        writeln!(out, "{}\t{}", run.name, run.overrides.join(" "))?;
    }
    Ok(())
}
