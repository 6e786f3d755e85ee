//! `GRID.toml`: which runs a grid has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use evaluation::grid::{Roles, UNTRAINED};
use serde::Deserialize;
use toml::{Table, Value};

use crate::config_file::{self, ConfigError};
use crate::system::{SystemConfig, SystemName};

type Result<T> = std::result::Result<T, ConfigError>;

/// The file of a grid.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GridFile {
    /// The config that all runs share, relative to this file.
    config: PathBuf,
    /// The folder of the grid, relative to this file.
    output: PathBuf,
    /// Methods: runs with `method = NAME`.
    #[serde(default)]
    methods: Vec<String>,
    /// Other rows of the tables, e.g. ablations.
    #[serde(default)]
    variants: Vec<Choice>,
    /// Target languages: runs with `targets = [NAME]`.
    #[serde(default)]
    languages: Vec<Choice>,
    /// Models.
    #[serde(default)]
    models: Vec<Choice>,
    /// Seeds.
    #[serde(default)]
    seeds: Vec<u64>,
    /// The method that is tested against the best baseline; by default `sdrrl`.
    ours: Option<String>,
    /// The baselines; by default the other methods, or the other variants if there are none.
    baselines: Option<Vec<String>>,
    /// The method over which gains are counted; by default `sft`.
    reference: Option<String>,
}

/// A value of an axis: a name alone, or with keys of the config.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a name, or a table with `name` and `set` (keys of the config)"
)]
enum Choice {
    Name(String),
    Keys(Keys),
}

/// A value of an axis with keys of the config.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    name: String,
    #[serde(default)]
    set: Table,
}

/// The runs of a grid, all of one system.
#[derive(Debug)]
pub struct Grid<C> {
    /// The file.
    pub path: PathBuf,
    /// The folder.
    pub output: PathBuf,
    /// The runs, in the order in which they are made.
    pub runs: Vec<GridRun<C>>,
    /// What the methods are to each other.
    pub roles: Roles,
}

/// A run of a grid.
#[derive(Debug)]
pub struct GridRun<C> {
    /// Name of its folder.
    pub name: String,
    /// Row of its scores.
    pub method: String,
    /// The model, if the grid has several.
    pub model: Option<String>,
    /// What it changes in the config.
    pub overrides: Vec<String>,
    /// Its config.
    pub config: C,
}

/// The system of the grid in the file `path`: that of its config.
///
/// # Errors
/// Unreadable and malformed files, and unknown systems.
pub fn system(path: &Path, overrides: &[String]) -> Result<SystemName> {
    let (file, _): (GridFile, _) = config_file::read(path, &[])?;
    let folder = path.parent().unwrap_or(Path::new(""));
    SystemName::of(&folder.join(file.config), overrides)
}

/// A value of an axis: its name, and overrides.
type Point = (String, Vec<String>);

impl<C: SystemConfig> Grid<C> {
    /// Reads the grid in the file `path`; `overrides` hold for every run.
    ///
    /// # Errors
    /// A malformed file, names that are missing or occur twice, and invalid configs.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let (file, _): (GridFile, _) = config_file::read(path, &[])?;
        let wrong = |message: String| ConfigError(format!("{}: {message}", path.display()));
        let folder = path.parent().unwrap_or(Path::new(""));
        let output = std::path::absolute(folder.join(&file.output))
            .map_err(|error| wrong(format!("output: {error}")))?;
        let methods = methods(&file, C::SYSTEM).map_err(wrong)?;
        let languages = points("languages", &file.languages, Some("targets")).map_err(wrong)?;
        let models = points("models", &file.models, None).map_err(wrong)?;
        let seeds: Vec<Point> = file
            .seeds
            .iter()
            .map(|seed| (format!("seed{seed}"), vec![format!("seed={seed}")]))
            .collect();
        distinct("seeds", &seeds).map_err(wrong)?;
        let mut runs = Vec::new();
        for model in axis(&models) {
            for language in axis(&languages) {
                // Seed by seed: after the first, every method has a score.
                for seed in axis(&seeds) {
                    for method in &methods {
                        let parts = [Some(method), language, model, seed];
                        let parts: Vec<&Point> = parts.into_iter().flatten().collect();
                        let names: Vec<String> =
                            parts.iter().map(|(name, _)| file_name(name)).collect();
                        let own = parts.iter().flat_map(|(_, overrides)| overrides);
                        let own: Vec<String> = own.chain(overrides).cloned().collect();
                        let name = names.join("-");
                        let config = folder.join(&file.config);
                        let config = run_config(&config, &output, &name, &own)
                            .map_err(|error| wrong(format!("run {name}: {error}")))?;
                        runs.push(GridRun {
                            name,
                            method: method.0.clone(),
                            model: model.map(|(name, _)| name.clone()),
                            overrides: own,
                            config,
                        });
                    }
                }
            }
        }
        Ok(Self {
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            output,
            runs,
            roles: roles(&file, &methods).map_err(wrong)?,
        })
    }
}

/// The config of a run in the folder of the grid. Without a store of its own it uses the grid's.
fn run_config<C: SystemConfig>(
    path: &Path,
    output: &Path,
    name: &str,
    overrides: &[String],
) -> Result<C> {
    let mut overrides = overrides.to_vec();
    let place = |key: &str, path: PathBuf| format!("{key}={}", quoted(&path.to_string_lossy()));
    overrides.push(place("output", output.join("runs").join(name)));
    let config = C::read(path, &overrides)?;
    if config.store().is_some() {
        return Ok(config);
    }
    overrides.push(place("store", output.join("store")));
    C::read(path, &overrides)
}

/// The rows of the tables: methods, then variants. A grid of classifiers, whose rows are systems, may
/// have none and vary only in its seeds.
fn methods(file: &GridFile, system: SystemName) -> std::result::Result<Vec<Point>, String> {
    let named = file.methods.iter().map(|name| {
        let method = format!("method={}", quoted(name));
        (name.clone(), vec![method])
    });
    let mut all: Vec<Point> = named.collect();
    all.extend(points("variants", &file.variants, None)?);
    if all.is_empty() && system != SystemName::Sdrrl {
        all.push((system.name().to_owned(), Vec::new()));
    }
    if all.is_empty() {
        return Err("name at least one of `methods` or [[variants]]".to_owned());
    }
    if all.iter().any(|(name, _)| name == UNTRAINED) {
        return Err(format!(
            "{UNTRAINED:?} is the row of the models before training; choose another name"
        ));
    }
    distinct("methods and variants", &all)?;
    Ok(all)
}

/// The values of an axis. A name alone sets `key`.
fn points(
    axis: &str,
    choices: &[Choice],
    key: Option<&str>,
) -> std::result::Result<Vec<Point>, String> {
    let point = |choice: &Choice| match (choice, key) {
        (Choice::Name(name), Some(key)) => {
            Ok((name.clone(), vec![format!("{key}=[{}]", quoted(name))]))
        }
        (Choice::Name(name), None) => Err(format!(
            "{axis}: {name:?} needs keys of the config: {{ name = {name:?}, set = {{ KEY = VALUE }} }}"
        )),
        (Choice::Keys(Keys { name, set }), _) => {
            let mut overrides = Vec::new();
            if let Some(key) = key.filter(|key| !set.contains_key(*key)) {
                overrides.push(format!("{key}=[{}]", quoted(name)));
            }
            let keys = config_file::flat(set).into_iter();
            overrides.extend(keys.map(|(key, value)| format!("{key}={value}")));
            Ok((name.clone(), overrides))
        }
    };
    let points: Vec<Point> = choices
        .iter()
        .map(point)
        .collect::<std::result::Result<_, _>>()?;
    distinct(axis, &points)?;
    Ok(points)
}

/// Fails if two names give the same folder.
fn distinct(axis: &str, points: &[Point]) -> std::result::Result<(), String> {
    let mut seen = BTreeSet::new();
    match points
        .iter()
        .find(|(name, _)| !seen.insert(file_name(name)))
    {
        Some((name, _)) => Err(format!("{axis}: {name:?} occurs twice")),
        None => Ok(()),
    }
}

/// The values of an axis, or one that changes nothing.
fn axis(points: &[Point]) -> Vec<Option<&Point>> {
    match points.is_empty() {
        true => vec![None],
        false => points.iter().map(Some).collect(),
    }
}

fn roles(file: &GridFile, methods: &[Point]) -> std::result::Result<Roles, String> {
    let names: Vec<&String> = methods.iter().map(|(name, _)| name).collect();
    let known = |key: &str, name: &String| match names.contains(&name) {
        true => Ok(()),
        false => {
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            Err(format!(
                "{key}: {name:?} is neither a method nor a variant of the grid; there are {}",
                names.join(", ")
            ))
        }
    };
    let or = |given: &Option<String>, usual: &str| {
        let usual = names.iter().find(|name| name.as_str() == usual);
        given.clone().or_else(|| usual.map(|name| (*name).clone()))
    };
    let (ours, reference) = (or(&file.ours, "sdrrl"), or(&file.reference, "sft"));
    let baselines = file.baselines.clone().unwrap_or_else(|| {
        let usual: Vec<String> = match file.methods.is_empty() {
            true => names.iter().map(|name| (*name).clone()).collect(),
            false => file.methods.clone(),
        };
        let other = usual.into_iter().filter(|name| Some(name) != ours.as_ref());
        other.collect()
    });
    ours.iter().try_for_each(|name| known("ours", name))?;
    reference
        .iter()
        .try_for_each(|name| known("reference", name))?;
    baselines
        .iter()
        .try_for_each(|name| known("baselines", name))?;
    let all = names.into_iter().cloned();
    Ok(Roles {
        methods: std::iter::once(UNTRAINED.to_owned()).chain(all).collect(),
        ours,
        baselines,
        reference,
    })
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// `name` with hyphens for everything that is no letter, digit or underscore.
fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    let parts: Vec<&str> = name
        .split(|c| !plain(c))
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("-")
}
