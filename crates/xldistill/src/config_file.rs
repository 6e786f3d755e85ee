//! Reading a TOML config: overrides of the command line, and errors that say what to change.

use std::{fs, path::Path};

use serde::de::DeserializeOwned;

/// A config or an argument that is wrong; the program ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

type Result<T> = std::result::Result<T, ConfigError>;

/// Reads `path` into a `T`, with `overrides` (`section.key=value`) applied.
///
/// # Errors
/// Unreadable or malformed files, unknown keys (with the nearest known one), wrong types: with
/// line and column where the file is at fault, with the override where that is.
pub fn read<T: DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<T> {
    let text = fs::read_to_string(path).map_err(|error| {
        ConfigError(format!(
            "cannot read the config {}: {error}",
            path.display()
        ))
    })?;
    let parsed = toml::from_str::<T>(&text);
    if overrides.is_empty() {
        return parsed.map_err(|error| explain(&path.display().to_string(), &error));
    }
    let mut table: toml::Table =
        toml::from_str(&text).map_err(|error| explain(&path.display().to_string(), &error))?;
    for assignment in overrides {
        apply(&mut table, assignment)?;
    }
    // The file on its own may be wrong where an override mends it, so only the result counts.
    T::deserialize(table).map_err(|error| match parsed {
        Err(in_file) => explain(&path.display().to_string(), &in_file),
        Ok(_) => explain(&format!("overrides {}", overrides.join(" ")), &error),
    })
}

/// Sets one `section.key=value` in `table`; the value is read as TOML, else taken as a string.
fn apply(table: &mut toml::Table, assignment: &str) -> Result<()> {
    let wrong = |reason: &str| ConfigError(format!("override `{assignment}`: {reason}"));
    let (key, value) = assignment
        .split_once('=')
        .ok_or_else(|| wrong("expected key=value, e.g. train.epochs=2"))?;
    let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
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
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| wrong(&format!("`{name}` is a value, not a section")))?;
    }
    section.insert(last.to_owned(), value);
    Ok(())
}

/// The parser's own message, with the place and a "did you mean" for unknown keys.
fn explain(place: &str, error: &toml::de::Error) -> ConfigError {
    let mut message = format!("{place}: {}", error.to_string().trim_end());
    if let Some(suggestion) = did_you_mean(error.message()) {
        message.push_str(&format!("\ndid you mean `{suggestion}`?"));
    }
    ConfigError(message)
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
        read(file.path(), &overrides)
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
