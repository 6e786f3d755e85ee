//! The folder of a run: what a run writes there never replaces what it did not write, and one run
//! uses it at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use artefacts::{ArtefactError, Lock};
use corpus::stage::Shard;
use models::LanguageModel;
use models::encoders::EncoderModel;
use toml::Value;

use crate::config_file;
use crate::run::Run;
use crate::stages::{self, Stage};
use crate::system::SystemConfig;

/// Name of the run's own config.
pub const CONFIG_FILE: &str = "config.toml";

/// First line of the run's own config.
pub const MARK: &str = "# Written by xldistill: the config of this run, with all its keys.";

/// What a run writes besides the folders of its stages.
const PRODUCTS: [&str; 4] = ["model", "model-merged", "report.html", "report.json"];

/// Fails if the run would replace something that it did not write, or if the folder is that of a run
/// of another model or system. Changes nothing.
pub fn check<C: SystemConfig>(run: &Run<'_, C>) -> Result<()> {
    let output = run.config.output();
    if output.exists() && !output.is_dir() {
        bail!("output: {} is a file; name a folder", output.display());
    }
    let stages = C::stages().iter().map(|stage| stage.name());
    let written: Vec<PathBuf> = stages
        .chain(PRODUCTS)
        .map(|name| output.join(name))
        .collect();
    let config = run.config_table()?;
    for input in inputs(&config) {
        if let Some(written) = written.iter().find(|written| lies_at(&input, written)) {
            bail!(
                "{} is named in the config, and the run would write {}: it would be replaced; set \
                 another `output`",
                input.display(),
                written.display()
            );
        }
    }
    match recorded(output, &written)? {
        Some(recorded) => same_run(&recorded, &config, output),
        None => match written.iter().find(|path| path.symlink_metadata().is_ok()) {
            Some(foreign) => bail!(
                "{} is there, and no run of xldistill wrote it: it would be replaced; move it away, \
                 or set another `output`",
                foreign.display()
            ),
            None => Ok(()),
        },
    }
}

/// Locks the run's folder for the stages `chosen`: as a whole for several; for a single one, it and,
/// for reading, those it depends on.
pub fn lock<C: SystemConfig>(run: &Run<'_, C>, chosen: &[&dyn Stage<C>]) -> Result<Lock> {
    let output = run.config.output();
    fs::create_dir_all(output).map_err(ArtefactError::io("create", output))?;
    let before = |stage| stages::before(stage, run.config);
    let lock = match chosen {
        // Shards of a stage lock their part of its folder.
        [stage] if run.shard != Shard::WHOLE => {
            let read = [&[stage.name()][..], &before(*stage)].concat();
            Lock::parts(output, &[], &read)
        }
        [stage] => Lock::parts(output, &[stage.name()], &before(*stage)),
        _ if run.shard != Shard::WHOLE => Lock::parts(output, &[], &[]),
        _ => Lock::whole(output),
    };
    Ok(lock?)
}

/// The existing files and folders that a config names, besides its own folders.
fn inputs(config: &toml::Table) -> Vec<PathBuf> {
    fn collect(value: &Value, found: &mut Vec<PathBuf>) {
        match value {
            Value::String(text) if Path::new(text).is_absolute() => {
                found.extend(Path::new(text).canonicalize());
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            Value::Table(table) => table.values().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let named = config
        .iter()
        .filter(|(key, _)| !["output", "store"].contains(&key.as_str()));
    for (_, value) in named {
        collect(value, &mut found);
    }
    found
}

/// Whether `input`, which is canonical, is `written` or lies in it.
fn lies_at(input: &Path, written: &Path) -> bool {
    written
        .canonicalize()
        .is_ok_and(|written| input.starts_with(written))
}

/// The keys whose values differ between the config that the folder has, the first value, and that of
/// the run; none if the folder has no config.
///
/// # Errors
/// The folder's config cannot be parsed.
pub fn changed_keys<C: SystemConfig>(
    run: &Run<'_, C>,
) -> Result<BTreeMap<String, Vec<Option<String>>>> {
    let path = run.config.output().join(CONFIG_FILE);
    match fs::read_to_string(path).unwrap_or_default().as_str() {
        "" => Ok(BTreeMap::new()),
        then => {
            let configs = [toml::from_str(then)?, run.config_table()?];
            Ok(config_file::differences(&configs))
        }
    }
}

/// The config of the run that the folder belongs to; `None` if it belongs to none yet.
///
/// # Errors
/// A `config.toml` of the user's.
fn recorded(output: &Path, written: &[PathBuf]) -> Result<Option<toml::Table>> {
    let path = output.join(CONFIG_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    // Earlier versions wrote no mark, but no comment either.
    let is_old = || {
        let begun = written.iter().any(|path| path.exists());
        begun && !text.lines().any(|line| line.starts_with('#'))
    };
    if !text.starts_with(MARK) && !is_old() {
        bail!(
            "{} was not written by a run of xldistill, which would replace it with a config of its \
             own: rename it, or set another `output`",
            path.display()
        );
    }
    Ok(toml::from_str(&text).ok())
}

/// Fails if the run with the config `recorded` was one of another system or model than `config`.
fn same_run(recorded: &toml::Table, config: &toml::Table, output: &Path) -> Result<()> {
    for key in ["system", "model"] {
        let text = |table: &toml::Table| table.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(was), Some(is)) = (text(recorded), text(config)) else {
            continue;
        };
        if was == is || (key == "model" && is_same_model(Path::new(&was), Path::new(&is))) {
            continue;
        }
        bail!(
            "{} has the results of a run with {key} = {was:?}, and {key} = {is:?} would replace them; \
             set another `output`, or delete the folder",
            output.display()
        );
    }
    Ok(())
}

/// A name for the model at `path`: that of its file or folder, or of the folder above if that says
/// nothing.
pub fn model_name(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let is_file = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
    let own = if is_file {
        path.file_stem()
    } else {
        path.file_name()
    };
    let own = own.map_or("model".into(), |name| name.to_string_lossy());
    let above = path.parent().and_then(Path::file_name);
    match (&*own, above) {
        ("model" | "adapter" | "model-merged", Some(run)) => run.to_string_lossy().into_owned(),
        _ => own.into_owned(),
    }
}

/// Whether two models have the same files. One that cannot be read any more may have been moved.
fn is_same_model(was: &Path, is: &Path) -> bool {
    if was.canonicalize().ok() == is.canonicalize().ok() {
        return true;
    }
    let revision = |path: &Path| {
        let llm = LanguageModel::identity_of(path).ok();
        let identity = llm.or_else(|| EncoderModel::identity_of(path).ok());
        identity.map(|identity| identity.revision)
    };
    match (revision(was), revision(is)) {
        (Some(was), Some(is)) => was == is,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_written_folder_is_found_and_what_lies_beside_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        fs::create_dir_all(folder.join("run/model/part")).unwrap();
        fs::create_dir_all(folder.join("run/models")).unwrap();
        let text = |path: &str| folder.join(path).display().to_string();
        let text_of = "output = \"/\"\nrelative = \"run/model\"";
        let mut config: toml::Table = toml::from_str(text_of).unwrap();
        config.insert(
            "files".into(),
            vec![text("run/model/part"), text("none")].into(),
        );
        config.insert("model".into(), text("run/models").into());
        let found = inputs(&config);
        assert_eq!(found.len(), 2, "{found:?}");
        let written = folder.join("run/model");
        let hit: Vec<bool> = found.iter().map(|input| lies_at(input, &written)).collect();
        assert_eq!(hit.iter().filter(|hit| **hit).count(), 1, "{found:?}");
    }

    #[test]
    fn a_model_is_named_after_its_run() {
        assert_eq!(model_name(Path::new("/runs/por/model")), "por");
        assert_eq!(model_name(Path::new("/models/SmolLM2.5")), "SmolLM2.5");
        assert_eq!(model_name(Path::new("/models/a.Q4_1.gguf")), "a.Q4_1");
    }

    #[test]
    fn a_config_is_a_runs_own_if_it_is_marked_or_old() {
        let folder = tempfile::tempdir().unwrap();
        let (output, stage) = (folder.path(), folder.path().join("answer"));
        let written = [stage.clone()];
        assert!(recorded(output, &written).unwrap().is_none());
        let path = output.join(CONFIG_FILE);
        fs::write(&path, format!("{MARK}\nmodel = \"/m\"\n")).unwrap();
        let marked = recorded(output, &written).unwrap().unwrap();
        assert_eq!(marked["model"].as_str(), Some("/m"));
        fs::write(&path, "model = \"/m\"\n").unwrap();
        let error = recorded(output, &written).unwrap_err().to_string();
        assert!(error.contains("rename it"), "{error}");
        fs::create_dir(&stage).unwrap();
        assert!(recorded(output, &written).unwrap().is_some());
        fs::write(&path, "# mine\nmodel = \"/m\"\n").unwrap();
        assert!(recorded(output, &written).is_err());
    }

    #[test]
    fn another_system_is_another_run() {
        let table = |text: &str| toml::from_str::<toml::Table>(text).unwrap();
        let was = table("system = \"sdrrl\"\nmodel = \"/none\"");
        let moved = table("system = \"sdrrl\"\nmodel = \"/elsewhere\"");
        assert!(same_run(&was, &moved, Path::new("run")).is_ok());
        let other = table("system = \"mt-llm\"\nmodel = \"/none\"");
        let error = same_run(&was, &other, Path::new("run")).unwrap_err();
        assert!(error.to_string().contains("system = \"sdrrl\""), "{error}");
    }
}
