//! Models as named in a config or on the command line.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use corpus::file_path;
use corpus::seam::EngineError;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::choice::KeyError;

/// The prefix of a model on the Hugging Face Hub.
const HUB: &str = "hf:";

/// A model: the path of a file or folder, relative to the folder of the config.
///
/// `hf:ORGANISATION/NAME@REVISION` is reserved for models on the Hugging Face Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRef {
    path: PathBuf,
    /// As the user wrote it.
    written: String,
}

impl ModelRef {
    /// Fails if the path does not exist. If it looks like a name on the Hub, the error contains the
    /// command that downloads it.
    pub fn check(&self) -> Result<(), String> {
        if self.path.exists() {
            return Ok(());
        }
        if let Some(name) = self.written.strip_prefix(HUB) {
            return Err(format!(
                "{}: xldistill downloads no models yet; run `{}` and name the folder",
                self.written,
                download(name)
            ));
        }
        // A folder that is there belongs to the user, not to the Hub.
        let is_local = || self.path.parent().is_some_and(Path::is_dir);
        let hint = match self.written.split_once('/') {
            Some((organisation, name))
                if !name.contains('/')
                    && !["", ".", "..", "models"].contains(&organisation)
                    && !is_local() =>
            {
                format!(
                    "; if it is a model on the Hugging Face Hub, run `{}` and name the folder",
                    download(&self.written)
                )
            }
            _ => "; docs/models.md says where models come from".to_owned(),
        };
        Err(format!("{} does not exist{hint}", self.path.display()))
    }
}

/// The command that downloads `name`, `ORGANISATION/NAME` or `ORGANISATION/NAME@REVISION`.
fn download(name: &str) -> String {
    let (name, revision) = match name.split_once('@') {
        Some((name, revision)) => (name, format!(" --revision {revision}")),
        None => (name, String::new()),
    };
    let folder = name.rsplit('/').next().unwrap_or(name);
    format!("hf download {name}{revision} --local-dir models/{folder}")
}

impl From<PathBuf> for ModelRef {
    fn from(path: PathBuf) -> Self {
        let written = path.display().to_string();
        Self { path, written }
    }
}

impl From<ModelRef> for PathBuf {
    fn from(model: ModelRef) -> Self {
        model.path
    }
}

/// A path on the command line, relative to the working directory.
impl FromStr for ModelRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let path = match text.starts_with(HUB) {
            true => text.into(),
            false => file_path::resolve(Path::new(text))?,
        };
        let written = text.to_owned();
        Ok(Self { path, written })
    }
}

impl<'de> Deserialize<'de> for ModelRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ModelRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.written.starts_with(HUB) {
            true => self.path.serialize(serializer),
            false => file_path::serialised(&self.path).serialize(serializer),
        }
    }
}

impl JsonSchema for ModelRef {
    fn schema_name() -> Cow<'static, str> {
        "ModelRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "model" })
    }
}

impl Deref for ModelRef {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl AsRef<Path> for ModelRef {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// The existing model that the config of `engine` names, or an error that asks for `what`.
pub(crate) fn existing<'m>(
    engine: &str,
    model: Result<&'m ModelRef, KeyError>,
) -> Result<&'m ModelRef, EngineError> {
    let model = model.map_err(|error| EngineError::new(engine, error.to_string()))?;
    let found = model.check();
    found.map_err(|message| EngineError::new(engine, message))?;
    Ok(model)
}

/// The model that the config names, or an error that asks for `what`.
pub(crate) fn require<'m>(
    model: &'m Option<ModelRef>,
    what: &str,
) -> Result<&'m ModelRef, KeyError> {
    let model = model.as_ref();
    model.ok_or_else(|| KeyError::new("model", format!("name {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_config_and_names_on_the_hub_are_not() {
        let read = |text: &str| {
            file_path::relative_to(Path::new("configs"), || {
                serde_json::from_value::<ModelRef>(text.into()).unwrap()
            })
        };
        assert_eq!(&*read("../models/a"), Path::new("models/a"));
        let hub = read("hf:facebook/nllb-200@v1").check().unwrap_err();
        let command = "hf download facebook/nllb-200 --revision v1 --local-dir models/nllb-200";
        assert!(hub.contains(command), "{hub}");
        assert!("".parse::<ModelRef>().is_err());
        let missing = read("facebook/none").check().unwrap_err();
        assert!(missing.contains("hf download facebook/none "), "{missing}");
    }
}
