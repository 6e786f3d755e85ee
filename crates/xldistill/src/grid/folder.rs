//! The folder of a grid: whose it is, how far its runs are, and its tables.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use artefacts::{ArtefactError, Lock};
use evaluation::classification::ClassificationResults;
use evaluation::grid::{self, Entry, GridTable, UNTRAINED};
use evaluation::results::Results;
use serde::{Deserialize, Serialize};

use super::definition::{Grid, GridRun};
use crate::system::SystemConfig;

/// A grid's folder, locked while the grid runs.
pub struct GridFolder<'g, C> {
    grid: &'g Grid<C>,
    record: Record,
    _lock: Lock,
}

/// `grid.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The file of the grid.
    grid: PathBuf,
    /// Its runs.
    runs: Vec<RunRecord>,
}

/// A run in `grid.json`.
#[derive(Debug, Serialize, Deserialize)]
struct RunRecord {
    name: String,
    folder: PathBuf,
    overrides: Vec<String>,
    state: RunState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RunState {
    ToDo,
    Finished,
    Failed,
}

/// Name of the record.
const FILE: &str = "grid.json";

impl<'g, C: SystemConfig> GridFolder<'g, C> {
    /// Opens the folder of `grid`.
    ///
    /// # Errors
    /// A folder that belongs to another grid, or that another process works in.
    pub fn open(grid: &'g Grid<C>) -> Result<Self> {
        let folder = &grid.output;
        std::fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
        let lock = Lock::whole(folder)?;
        let known = std::fs::read(folder.join(FILE)).ok();
        let known = known.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        if let Some(known) = known
            && known.grid != grid.path
            && known.grid.exists()
        {
            bail!(
                "{} holds the runs of another grid, {}: set another `output` in {}, or delete {} to \
                 give the folder to this one",
                folder.display(),
                known.grid.display(),
                grid.path.display(),
                folder.join(FILE).display()
            );
        }
        let runs = grid.runs.iter().map(|run| RunRecord {
            name: run.name.clone(),
            folder: run.config.output().to_path_buf(),
            overrides: run.overrides.clone(),
            state: RunState::ToDo,
            error: None,
        });
        let folder = GridFolder {
            record: Record {
                grid: grid.path.clone(),
                runs: runs.collect(),
            },
            grid,
            _lock: lock,
        };
        folder.write_record()?;
        Ok(folder)
    }

    /// Records the outcome of the run with this index, and writes the tables.
    pub fn record(&mut self, run: usize, outcome: std::result::Result<(), String>) -> Result<()> {
        let record = &mut self.record.runs[run];
        record.state = match outcome {
            Ok(()) => RunState::Finished,
            Err(_) => RunState::Failed,
        };
        record.error = outcome.err();
        self.write_record()?;
        self.write_tables()?;
        Ok(())
    }

    fn write_record(&self) -> Result<()> {
        let json = serde_json::to_vec_pretty(&self.record)?;
        artefacts::write(&self.grid.output.join(FILE), &json)?;
        Ok(())
    }

    /// Writes `tables.json`, `.txt`, `.md`, `.tex` and `.html` of all evaluations so far.
    pub fn write_tables(&self) -> Result<Vec<GridTable>> {
        let tables = grid::tables(&entries(self.grid), &self.grid.roles);
        let title = self
            .grid
            .path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        let forms = [
            ("json", serde_json::to_string_pretty(&tables)?),
            ("txt", grid::terminal(&tables)),
            ("md", grid::markdown(&tables)),
            ("tex", grid::latex(&tables)),
            ("html", grid::html(&title, &tables)),
        ];
        for (extension, text) in forms {
            let path = self.grid.output.join("tables").with_extension(extension);
            artefacts::write(&path, text.as_bytes())?;
        }
        Ok(tables)
    }
}

/// The folders of a grid's runs, if `folder` is the grid's.
pub fn runs_in(folder: &Path) -> Option<Vec<PathBuf>> {
    let record = std::fs::read(folder.join(FILE)).ok()?;
    let record: Record = serde_json::from_slice(&record).ok()?;
    Some(record.runs.into_iter().map(|run| run.folder).collect())
}

/// The evaluations of the runs: of the trained models, of each untrained model once per choice of
/// target languages, and of classifiers.
fn entries<C: SystemConfig>(grid: &Grid<C>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for run in &grid.runs {
        let untrained = entry(run, UNTRAINED, "evaluate/before");
        let known = |other: &Entry| {
            other.method == UNTRAINED
                && other.model == untrained.model
                && other.targets == untrained.targets
        };
        if is_evaluated(&untrained.folder) && !entries.iter().any(known) {
            entries.push(untrained);
        }
        let trained = ["evaluate/after", "evaluate"].map(|which| entry(run, &run.method, which));
        let trained = trained.into_iter();
        entries.extend(trained.filter(|trained| is_evaluated(&trained.folder)));
    }
    entries
}

fn entry<C: SystemConfig>(run: &GridRun<C>, method: &str, which: &str) -> Entry {
    Entry {
        method: method.to_owned(),
        model: run.model.clone(),
        targets: run.config.targets().to_vec(),
        folder: run.config.output().join(which),
    }
}

/// Whether there are complete results in `folder`.
fn is_evaluated(folder: &Path) -> bool {
    Results::read(folder).is_some_and(|results| results.xldistill.complete)
        || ClassificationResults::read(folder).is_some_and(|results| results.complete)
}
