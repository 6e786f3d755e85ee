//! Reading of a TOML config, with overrides and with errors that say what to change.

mod fault;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::{fs, path::Path};

use corpus::file_path::is_pipe_or_device;
use corpus::source;
use serde::de::DeserializeOwned;
use toml::Table;

/// An invalid config or argument; the program ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

type Result<T> = std::result::Result<T, ConfigError>;

/// Reads `path` with `overrides` (`section.key=value`) into a `T`; also returns the keys after the
/// overrides.
///
/// # Errors
/// Unreadable or malformed files, unknown keys (with the nearest known one) and wrong types, with
/// the line in the file, or with the override.
pub fn read<T: DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<(T, Table)> {
    let (text, mut table) = table(path)?;
    for assignment in overrides {
        apply(&mut table, assignment)?;
    }
    // An override may correct the file, so only the result is checked.
    match T::deserialize(table.clone()) {
        Ok(value) => Ok((value, table)),
        // A second reading would repeat the warnings of the first.
        Err(error) => Err(tracing::subscriber::with_default(
            tracing::subscriber::NoSubscriber::new(),
            || explain::<T>(path, &text, overrides, &error),
        )),
    }
}

/// The text of the file `path`, and its keys.
fn table(path: &Path) -> Result<(String, Table)> {
    let shown = path.display();
    if is_pipe_or_device(path) {
        let message = format!(
            "{shown} is a pipe or a device; a config is read more than once, so save it as a file"
        );
        return Err(ConfigError(message));
    }
    let bytes = fs::read(path).map_err(|error| {
        ConfigError(match error.kind() {
            ErrorKind::NotFound => format!("the config {shown} does not exist"),
            ErrorKind::IsADirectory => format!("{shown} is a folder; name the config file in it"),
            _ => format!("cannot read the config {shown}: {error}"),
        })
    })?;
    let wide = source::wide_encoding(&bytes);
    let text = match (wide, String::from_utf8(bytes)) {
        (None, Ok(text)) => text,
        _ => {
            let encoding = wide.unwrap_or("WINDOWS-1252");
            return Err(ConfigError(format!(
                "the config {shown} is not UTF-8; convert it, e.g. with iconv -f {encoding} -t UTF-8"
            )));
        }
    };
    match toml::from_str(&text) {
        Ok(table) => Ok((text, table)),
        Err(error) => Err(ConfigError(fault::in_file(
            &shown.to_string(),
            &text,
            &error,
        ))),
    }
}

/// `error` of the config with all `overrides`, in words: that of the file, or of the override that is
/// to blame.
fn explain<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    overrides: &[String],
    error: &toml::de::Error,
) -> ConfigError {
    let message = |table: &Table| {
        let error = T::deserialize(table.clone()).err();
        error.map(|error| error.message().to_owned())
    };
    let mut table: Table = toml::from_str(text).unwrap_or_default();
    let mut before = message(&table);
    let mut blamed = None;
    for assignment in overrides {
        if apply(&mut table, assignment).is_err() {
            break;
        }
        let after = message(&table);
        if after != before {
            blamed = Some(assignment);
        }
        before = after;
    }
    let file = path.display().to_string();
    let fault = match (blamed, toml::from_str::<T>(text)) {
        (None, Err(error)) => fault::in_file(&file, text, &error),
        (Some(assignment), _) => fault::in_override(assignment, error),
        (None, Ok(_)) => fault::in_all(&file, error),
    };
    let found = sections_with::<T>(error, &table);
    ConfigError(match found.as_slice() {
        [] => fault,
        [only] => format!("{fault}\ndid you mean `{only}`?"),
        several => format!(
            "{fault}\nthe key belongs in a section: `{}`",
            several.join("`, `")
        ),
    })
}

/// The whole names, such as `train.epochs`, of the key that `error` says is unknown at the top of
/// `table`. Only the parser knows the keys of a section, so it is asked for each.
fn sections_with<T: DeserializeOwned>(error: &toml::de::Error, table: &Table) -> Vec<String> {
    let Some((key, sections)) = fault::unknown_at_top(error) else {
        return Vec::new();
    };
    let mut table = table.clone();
    let Some(value) = table.remove(key) else {
        return Vec::new();
    };
    let takes = |section: &str, key: &str| {
        let mut table = table.clone();
        let of = table
            .entry(section)
            .or_insert_with(|| Table::new().into())
            .as_table_mut();
        let Some(of) = of else {
            return false;
        };
        of.insert(key.to_owned(), value.clone());
        let path = format!("{section}.{key}");
        T::deserialize(table).map_or_else(|error| fault::is_at(&error, &path), |_| true)
    };
    // A section whose keys are names of the user's own has any key.
    let has_it = |section: &&str| takes(section, key) && !takes(section, "no key of any section");
    sections
        .into_iter()
        .filter(has_it)
        .map(|section| format!("{section}.{key}"))
        .collect()
}

/// Fails if `key` is an empty text, which as a path would mean the folder of the config.
pub fn require_text(path: &Path, overrides: &[String], key: &str) -> Result<()> {
    let (table, _): (Table, _) = read(path, overrides)?;
    match table.get(key).and_then(toml::Value::as_str) {
        Some(text) if text.trim().is_empty() => Err(ConfigError(format!(
            "{}: {key} is empty; name a folder, e.g. {key} = \"run\"",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Sets `section.key=value` in `table`. A value that is not TOML is a string.
fn apply(table: &mut Table, assignment: &str) -> Result<()> {
    let wrong = |reason: &str| ConfigError(format!("override `{assignment}`: {reason}"));
    let (key, value) = assignment
        .split_once('=')
        .ok_or_else(|| wrong("expected key=value, e.g. train.epochs=2"))?;
    let value = toml::from_str::<Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let last = path.pop().filter(|last| !last.is_empty());
    let last = last.ok_or_else(|| wrong("the key is empty"))?;
    let mut section = table;
    for name in path {
        section = section
            .entry(name)
            .or_insert_with(|| toml::Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| wrong(&format!("`{name}` is a value, not a section")))?;
    }
    section.insert(last.to_owned(), value);
    Ok(())
}

/// Keys that count what is done at once or at most, wherever they stand.
const COUNTS: [&str; 5] = [
    "batch_size",
    "in_flight",
    "max_new_tokens",
    "timeout_seconds",
    "beam_size",
];

/// Whether `key`, without its section, is one of [`COUNTS`].
pub fn is_count(key: &str) -> bool {
    COUNTS.contains(&key)
}

/// Fails if a key of [`COUNTS`] is 0, with which nothing would be done.
pub fn check_counts(table: &Table) -> std::result::Result<(), String> {
    let is_zero = |(key, value): &(String, String)| {
        key.rsplit('.').next().is_some_and(is_count) && value == "0"
    };
    match flat(table).into_iter().find(is_zero) {
        Some((key, _)) => Err(format!("{key} = 0: must be at least 1")),
        None => Ok(()),
    }
}

/// The keys of `table`, as `section.key`, each with its value in TOML.
pub fn flat(table: &Table) -> Vec<(String, String)> {
    fn add(prefix: &str, table: &Table, keys: &mut Vec<(String, String)>) {
        for (key, value) in table {
            let path = match prefix.is_empty() {
                true => key.clone(),
                false => format!("{prefix}.{key}"),
            };
            match value {
                toml::Value::Table(table) => add(&path, table, keys),
                value => keys.push((path, value.to_string())),
            }
        }
    }
    let mut keys = Vec::new();
    add("", table, &mut keys);
    keys
}

/// The keys with different values, except those that say where a run is.
pub fn differences(configs: &[Table]) -> BTreeMap<String, Vec<Option<String>>> {
    let mut all: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for (at, config) in configs.iter().enumerate() {
        for (key, value) in flat(config) {
            let values = all.entry(key).or_insert_with(|| vec![None; configs.len()]);
            values[at] = Some(value);
        }
    }
    all.retain(|key, values| {
        !["output", "store", "device"].contains(&key.as_str())
            && values.iter().any(|value| *value != values[0])
    });
    all
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Section {
        epochs: usize,
        method: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        train: Section,
    }

    fn read_text(text: &str, overrides: &[&str]) -> Result<Sample> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        read(file.path(), &overrides).map(|(sample, _)| sample)
    }

    #[test]
    fn overrides_replace_and_add_values() {
        let config = read_text(
            "[train]\nepochs = 4",
            &["train.epochs=2", "train.method=lora"],
        );
        let expected = Section {
            epochs: 2,
            method: "lora".to_owned(),
        };
        assert_eq!(config.unwrap().train, expected);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_key() {
        let error = read_text("[train]\nepocs = 4\nmethod = 'full'", &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("did you mean `epochs`?"), "{error}");
    }

    #[test]
    fn a_wrong_override_is_named() {
        let text = "[train]\nepochs = 4\nmethod = 'full'";
        let error = read_text(text, &["train.epochs=many"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("train.epochs=many"), "{error}");
        assert!(error.contains("expected a whole number"), "{error}");
        let error = read_text(text, &["train.epochs.x=1"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`epochs` is a value, not a section"),
            "{error}"
        );
        let error = read_text(text, &["epochs"]).unwrap_err().to_string();
        assert!(error.contains("expected key=value"), "{error}");
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = read_text("[train]\nepochs = 4", &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 1: the key `method` is missing"),
            "{error}"
        );
    }
}
