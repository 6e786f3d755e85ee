//! What a system is made of: a kind of config and the stages that it runs.

use evaluation::report::paths::ReportConfig;
use std::path::Path;

use corpus::file_path;
use corpus::language::Language;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config_file::{self, ConfigError};
use crate::stages::Stage;

/// The systems, as configs name them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum SystemName {
    /// Teaches an LLM to generate text in another language (arXiv 2402.12204).
    #[default]
    Sdrrl,
    /// Stacks an LLM on a multilingual encoder, and it then understands the encoder's languages (arXiv
    /// 2406.12739).
    MtLlm,
    /// Trains a classifier on an LLM or an encoder alone.
    Classify,
}

impl SystemName {
    /// Its name in a config.
    pub fn name(self) -> &'static str {
        match self {
            SystemName::Sdrrl => "sdrrl",
            SystemName::MtLlm => "mt-llm",
            SystemName::Classify => "classify",
        }
    }

    /// The system that the config in the file `path` is for, with `overrides`.
    ///
    /// # Errors
    /// Unreadable and malformed files, and unknown names.
    pub fn of(path: &Path, overrides: &[String]) -> Result<SystemName, ConfigError> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(default)]
            system: SystemName,
        }
        let (named, _): (Named, _) = config_file::read(path, overrides)?;
        Ok(named.system)
    }
}

/// The config of a system.
pub trait SystemConfig: Serialize + DeserializeOwned + Sized + Sync + 'static {
    /// The system.
    const SYSTEM: SystemName;

    /// The stages of a run, each after those it depends on.
    fn stages() -> &'static [&'static dyn Stage<Self>];

    /// Folder of the run.
    fn output(&self) -> &Path;

    /// Folder of results that runs share.
    fn store(&self) -> Option<&Path>;

    /// The languages that a model is taught; none for classifiers, which learn those of their
    /// encoder.
    fn targets(&self) -> &[Language] {
        &[]
    }

    /// Settings of the report.
    fn report(&self) -> &ReportConfig;

    /// The seed of the run, and those of its sections: a section whose seed is not in the file gets
    /// that of the run.
    fn seeds(&mut self) -> (u64, Vec<(&'static str, &mut u64)>);

    /// Sets the keys that others imply, unless they are `given`.
    fn complete(&mut self, _given: &toml::Table) {}

    /// A line about what the config chooses, for those who look at a run before they start it.
    fn note(&self) -> Option<String> {
        None
    }

    /// Checks what can be checked without opening a file.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    fn validate(&self) -> Result<(), String>;

    /// Reads `path` with `overrides`, resolves relative paths against the config's folder, and
    /// validates it.
    ///
    /// # Errors
    /// Those of [`config_file::read`], a config for another system, and invalid values.
    fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let system = SystemName::of(path, overrides)?;
        if system != Self::SYSTEM {
            return Err(ConfigError(format!(
                "{}: this command needs a config with system = \"{}\", and this one is for {}",
                path.display(),
                Self::SYSTEM.name(),
                system.name()
            )));
        }
        config_file::require_text(path, overrides, "output")?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let (mut config, table): (Self, _) =
            file_path::relative_to(folder, || config_file::read(path, overrides))?;
        let (seed, sections) = config.seeds();
        for (section, own) in sections {
            let mut value = section.split('.').try_fold(&table, |table, name| {
                table.get(name).and_then(toml::Value::as_table)
            });
            let named = value
                .take()
                .is_some_and(|section| section.contains_key("seed"));
            if !named {
                *own = seed;
            }
        }
        config.complete(&table);
        config_file::check_counts(&table)
            .and_then(|()| config.validate())
            .map_err(|message| ConfigError(format!("{}: {message}", path.display())))?;
        Ok(config)
    }
}
