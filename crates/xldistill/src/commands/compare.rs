//! `xldistill compare`: runs side by side, with paired tests and the keys in which their configs
//! differ.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use evaluation::classification::ClassificationResults;
use evaluation::compare::{self, Compared, Comparison, Contestant};
use evaluation::results::Results;
use evaluation::task::SHARE;
use serde_json::json;
use toml::Table;

use crate::arguments::CompareArguments;
use crate::config_file::{self, ConfigError};

/// Compares the runs and prints the result.
///
/// # Errors
/// Fewer than two runs, a run without an evaluation, and runs that share no task.
pub fn run(arguments: &CompareArguments) -> Result<()> {
    if arguments.runs.len() < 2 {
        return Err(ConfigError("name at least two runs to compare".to_owned()).into());
    }
    let classifies = |run: &&PathBuf| {
        run.join("evaluate")
            .join(ClassificationResults::FILE)
            .exists()
    };
    if let Some(run) = arguments.runs.iter().find(classifies) {
        return Err(ConfigError(format!(
            "{}: a run of classifiers; its own report compares systems, and `xldistill grid` puts the \
             systems of several runs side by side",
            run.display()
        ))
        .into());
    }
    let contestants: Vec<Contestant> = arguments.runs.iter().map(|run| contestant(run)).collect();
    let comparisons = compare::compare(&contestants)?;
    let configs: Vec<Table> = arguments.runs.iter().map(|run| config(run)).collect();
    let differences = config_file::differences(&configs);
    let names: Vec<&str> = contestants.iter().map(|one| one.name.as_str()).collect();
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let all = json!({ "runs": names, "scores": comparisons, "config": differences });
        writeln!(out, "{all}")?;
        return Ok(());
    }
    write!(out, "{}", scores(&names, &comparisons))?;
    writeln!(out)?;
    match differences.is_empty() {
        true => writeln!(out, "The configs do not differ.")?,
        false => writeln!(out, "Keys of the config that differ:")?,
    }
    for (key, values) in &differences {
        writeln!(out, "  {key}")?;
        for (name, value) in names.iter().zip(values) {
            writeln!(
                out,
                "    {name}: {}",
                value.as_deref().unwrap_or("(not set)")
            )?;
        }
    }
    Ok(())
}

/// The evaluation of a run: its folder itself, or the one after training.
fn contestant(run: &Path) -> Contestant {
    let folder = match run.join(Results::FILE).exists() {
        true => run.to_owned(),
        false => run.join("evaluate").join("after"),
    };
    let name = run.display().to_string();
    Contestant {
        name: name.trim_end_matches('/').to_owned(),
        folder,
    }
}

/// The config of a run, as its folder has it; empty if there is none.
fn config(run: &Path) -> Table {
    let folders: [PathBuf; 2] = [run.to_owned(), run.join("../..")];
    let read = |folder: &PathBuf| std::fs::read_to_string(folder.join("config.toml")).ok();
    let text = folders.iter().find_map(read).unwrap_or_default();
    toml::from_str(&text).unwrap_or_default()
}

/// A block per task, a line per measure and run.
fn scores(names: &[&str], comparisons: &[Comparison]) -> String {
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::from(
        "Scores, differences from the first run, and p-values on the same documents:\n\
         approximate randomisation, then paired bootstrap.\n\n",
    );
    let mut task = "";
    for comparison in comparisons {
        if comparison.task != task {
            task = &comparison.task;
            text.push_str(&format!("{} ({task})\n", comparison.title));
        }
        let better = match comparison.higher_is_better {
            Some(true) => ", higher is better",
            Some(false) => ", lower is better",
            None => "",
        };
        text.push_str(&format!("  {}{better}\n", comparison.measure));
        for (name, score) in names.iter().zip(&comparison.scores) {
            let line = line(score, &comparison.unit);
            text.push_str(&format!("    {name:<width$}  {line}\n"));
        }
    }
    text
}

/// The score, its difference from the first run's, and the p-values.
fn line(compared: &Compared, unit: &str) -> String {
    let scale = if unit == SHARE { 100.0 } else { 1.0 };
    let score = format!("{:8.2}", scale * compared.score);
    match (compared.randomisation_p, compared.bootstrap_p) {
        (Some(randomisation), Some(bootstrap)) => format!(
            "{score}  {:+8.2}  p = {randomisation:.4}, {bootstrap:.4}",
            scale * compared.difference
        ),
        _ if compared.difference != 0.0 => format!(
            "{score}  {:+8.2}  not tested: other documents or settings",
            scale * compared.difference
        ),
        _ => score,
    }
}
