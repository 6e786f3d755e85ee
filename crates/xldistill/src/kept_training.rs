//! What a run has trained stays. Training goes on only from what it began with, so a config that leads
//! it to something else is refused before the first stage, and not by the training itself, when the
//! stages before it have replaced their results.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use artefacts::{MANIFEST_FILE, Manifest, Provenance};
use training::run::{RunError, differences};

use crate::run::Run;
use crate::run_folder::{self, CONFIG_FILE};
use crate::stages::Stage;
use crate::system::SystemConfig;

/// Maximum number of changed keys in a message.
const KEYS: usize = 4;

/// A training in a run's own folder, finished or not.
#[derive(Debug)]
pub struct Trained {
    /// The folder, whose deletion makes way for another training.
    pub folder: PathBuf,
    /// From what it was made.
    pub from: Provenance,
}

/// A stage that cannot run, since its folder has another training.
pub struct Refusal {
    /// The stage.
    pub stage: &'static str,
    /// What is there, and what has changed.
    pub error: RunError,
}

/// The first of `stages`, run one after another, that another training is in the way of, and all
/// trainings that are: those that rest on one go with it. Changes nothing. In a store, each training
/// has a folder of its own, so none is in the way.
///
/// # Errors
/// Those of a stage whose result is [previewed](Stage::preview).
pub fn refusal<C: SystemConfig>(
    run: &Run<'_, C>,
    stages: &[&dyn Stage<C>],
) -> Result<Option<Refusal>> {
    let own = |stage: &dyn Stage<C>| {
        let trained = stage.trained(run).into_iter();
        trained.filter(|trained| !trained.folder.is_symlink())
    };
    let Some(last) = stages
        .iter()
        .rposition(|stage| own(*stage).next().is_some())
    else {
        return Ok(None);
    };
    let previews = tempfile::tempdir().context("cannot create a temporary folder")?;
    let recorded = recorded(run);
    let mut looking = run.looking();
    // Stages that will have other results, and the first of those they depend on that will.
    let mut other = BTreeMap::<&str, &str>::new();
    // The first stage that is refused, and why, and the folders of all.
    let (mut first, mut folders) = (None, Vec::new());
    for stage in &stages[..=last] {
        let name = stage.name();
        let mut before = stage.depends_on().iter();
        let cause = before.find_map(|name| other.get(name)).copied();
        // Hashes files, so only if something has changed.
        let damaged = LazyCell::new(|| reads_damaged(*stage, &looking));
        for trained in own(*stage) {
            let changed = match (cause, stage.origin(&looking, &trained)) {
                (Some(cause), _) => vec![format!("the results of the stage {cause} will differ")],
                (None, Ok(now)) => differences(&trained.from, &now),
                // What is missing is said by the stage's check, or made by the stages before.
                (None, Err(_)) => Vec::new(),
            };
            if !changed.is_empty() && (cause.is_some() || !*damaged) {
                folders.push(trained.folder);
                first.get_or_insert((name, changed.join("; ")));
                other.entry(name).or_insert(cause.unwrap_or(name));
            }
        }
        if other.contains_key(name) {
            continue;
        }
        let folder = previews.path().join(name);
        if let Some(cause) = cause {
            other.insert(name, cause);
        } else if is_other(*stage, &looking, recorded.as_ref()) && !*damaged {
            match stage.preview(&looking, &folder)? {
                true => looking.take(name, folder),
                false => drop(other.insert(name, name)),
            }
        }
    }
    let Some((stage, why)) = first else {
        return Ok(None);
    };
    let error = RunError::OtherRun {
        folders,
        differences: why + &changed_keys(run),
    };
    Ok(Some(Refusal { stage, error }))
}

/// [`refusal`] as an error.
pub fn check<C: SystemConfig>(run: &Run<'_, C>, stages: &[&dyn Stage<C>]) -> Result<()> {
    match refusal(run, stages)? {
        Some(Refusal { error, .. }) => Err(error.into()),
        None => Ok(()),
    }
}

/// Whether a stage will have another result than the one in its folder, or is new to the run. One
/// whose folder was deleted is taken to have the same again.
fn is_other<C: SystemConfig>(stage: &dyn Stage<C>, run: &Run<'_, C>, recorded: Option<&C>) -> bool {
    match stage.finished(run) {
        Some(finished) => stage.key(run).is_ok_and(|key| key != finished.key),
        None => recorded.is_some_and(|then| !stage.is_wanted(then)),
    }
}

/// Whether a stage reads files that are not as another one left them. They are made again, the same
/// as they were.
fn reads_damaged<C: SystemConfig>(stage: &dyn Stage<C>, run: &Run<'_, C>) -> bool {
    stage.depends_on().iter().any(|name| {
        let folder = run.folder(name);
        let manifest = Manifest::<serde_json::Value>::read(&folder.join(MANIFEST_FILE));
        manifest.is_ok_and(|manifest| manifest.is_some_and(|made| !made.is_intact(&folder)))
    })
}

/// The config that the run's folder has.
fn recorded<C: SystemConfig>(run: &Run<'_, C>) -> Option<C> {
    let text = fs::read_to_string(run.config.output().join(CONFIG_FILE)).ok()?;
    // What it warns of, it has said when it was made.
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || {
        toml::from_str(&text).ok()
    })
}

/// The keys whose values differ from those of the run's config, in brackets; empty if none do.
fn changed_keys<C: SystemConfig>(run: &Run<'_, C>) -> String {
    let changed = run_folder::changed_keys(run).unwrap_or_default();
    let value = |value: &Option<String>| value.clone().unwrap_or("not set".to_owned());
    let keys = changed.iter().map(|(key, values)| {
        format!(
            "{key} was {} and is {}",
            value(&values[0]),
            value(&values[1])
        )
    });
    let mut shown: Vec<String> = keys.take(KEYS).collect();
    if changed.len() > KEYS {
        shown.push(format!("{} other keys changed", changed.len() - KEYS));
    }
    match shown.is_empty() {
        true => String::new(),
        false => format!(" (in the config, {})", shown.join(", ")),
    }
}
