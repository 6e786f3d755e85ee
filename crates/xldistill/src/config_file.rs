//! Reading of a TOML config, with overrides and with errors that say what to change.

use std::{fs, path::Path};

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
/// the line and column in the file, or with the override.
pub fn read<T: DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<(T, Table)> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("cannot read the config {shown}: {error}")))?;
    let in_file = |error| explain(&shown.to_string(), Some(&text), &error);
    let mut table: Table = toml::from_str(&text).map_err(in_file)?;
    if overrides.is_empty() {
        return Ok((toml::from_str(&text).map_err(in_file)?, table));
    }
    for assignment in overrides {
        apply(&mut table, assignment)?;
    }
    // An override may correct the file, so only the result is checked.
    match T::deserialize(table.clone()) {
        Ok(value) => Ok((value, table)),
        Err(error) => Err(match toml::from_str::<T>(&text) {
            Err(error) => in_file(error),
            Ok(_) => explain(&format!("overrides {}", overrides.join(" ")), None, &error),
        }),
    }
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

/// The parser's message, with the position and, for unknown keys, "did you mean".
fn explain(place: &str, text: Option<&str>, error: &toml::de::Error) -> ConfigError {
    let message = error.message();
    let line = text.zip(error.span()).and_then(|(text, section)| {
        // An engine's section is read as a whole, so the line of the key is searched in it.
        let key = key_of(message)?;
        let before = text[..section.start].matches('\n').count();
        let lines = text[section.start..].lines();
        let is_key = |line: &str| {
            let rest = line.trim_start().strip_prefix(key).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with(['=', '.']))
        };
        let (number, line) = lines.enumerate().find(|(_, line)| is_key(line))?;
        Some(format!(
            "line {}\n  | {line}\n{message}",
            before + number + 1
        ))
    });
    let shown = line.unwrap_or_else(|| error.to_string().trim_end().to_owned());
    let mut message = format!("{place}: {}", corpus::plain_words::in_plain_words(&shown));
    if let Some(suggestion) = did_you_mean(error.message()) {
        message.push_str(&format!("\ndid you mean `{suggestion}`?"));
    }
    ConfigError(message)
}

/// The key in a message of `engines::choice`: that of "section.key: …", or the unknown one.
fn key_of(message: &str) -> Option<&str> {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        return rest.split('`').next();
    }
    if message.starts_with("unknown variant") {
        return message.contains(".engine").then_some("engine");
    }
    let (path, _) = message.split_once(": ")?;
    let (section, key) = path.split_once('.')?;
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    (is_name(section) && is_name(key)).then_some(key)
}

/// The known name nearest to the unknown one in serde's "unknown field `a`, expected one of …".
fn did_you_mean(message: &str) -> Option<&str> {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    names
        .map(|name| (strsim::jaro_winkler(unknown, name), name))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
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
        assert!(error.contains("missing field `method`"), "{error}");
    }
}
