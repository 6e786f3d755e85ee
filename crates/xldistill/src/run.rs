//! A run of a config: its folders, and how its stages run.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use artefacts::{ArtefactError, Key, Place};
use corpus::file_path;
use corpus::progress::Progress;
use corpus::stage::{self, Inputs, Manifest, RowStage, Shard, StageOptions};

use crate::run_folder::{CONFIG_FILE, MARK};
use crate::system::SystemConfig;

/// A run of a config.
pub struct Run<'a, C> {
    /// The config.
    pub config: &'a C,
    /// The shard that row-wise stages work on.
    pub shard: Shard,
    /// Progress of the work.
    pub progress: &'a dyn Progress,
    /// Results of stages in other folders than the run's, for those who only look: those that the
    /// store has and the run does not link to yet, and previews.
    elsewhere: BTreeMap<&'static str, PathBuf>,
}

impl<'a, C: SystemConfig> Run<'a, C> {
    /// A run of `config`.
    pub fn new(config: &'a C, shard: Shard, progress: &'a dyn Progress) -> Self {
        Self {
            config,
            shard,
            progress,
            elsewhere: BTreeMap::new(),
        }
    }

    /// The same run for looking only, in which results in the store can be [found](Self::find).
    pub fn looking(&self) -> Run<'a, C> {
        Run::new(self.config, self.shard, self.progress)
    }

    /// From now on, takes the folder of the stage `name` to be that in the store of the result with
    /// `key`; returns whether the store has it.
    pub fn find(&mut self, name: &'static str, key: &Key) -> bool {
        if self.config.store().is_none() {
            return false;
        }
        let key = || Ok::<_, ArtefactError>(key.clone());
        let folder = self.place_to_look().folder(name, key);
        match folder.ok().filter(|folder| folder.is_dir()) {
            Some(folder) => self.elsewhere.insert(name, folder).is_none(),
            None => false,
        }
    }

    /// From now on, takes `folder` to be that of the stage `name`.
    pub fn take(&mut self, name: &'static str, folder: PathBuf) {
        self.elsewhere.insert(name, folder);
    }

    /// No longer takes the folder of the stage `name` to be elsewhere.
    pub fn forget(&mut self, name: &str) {
        self.elsewhere.remove(name);
    }

    /// The folder of the stage `name`.
    pub fn folder(&self, name: &str) -> PathBuf {
        let own = || self.config.output().join(name);
        self.elsewhere.get(name).cloned().unwrap_or_else(own)
    }

    /// The location of the run's artefacts.
    pub fn place(&self) -> Result<Place, ArtefactError> {
        Place::new(self.config.output(), self.config.store())
    }

    /// The same for looking only: what is not there yet is not made.
    pub fn place_to_look(&self) -> Place {
        Place::read_only(self.config.output(), self.config.store())
    }

    /// Writes the config to the run's folder; fails if another process is using the folder of the
    /// stage `name`, since it has a config of its own.
    pub fn record_config(&self, name: &str) -> Result<()> {
        stage::require_free(&self.folder(name), self.shard)?;
        let folder = self.config.output();
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(CONFIG_FILE);
        let text = self.config_text()?;
        if fs::read_to_string(&path).is_ok_and(|known| known == text) {
            return Ok(());
        }
        artefacts::write(&path, text.as_bytes())?;
        Ok(())
    }

    /// The config with its overrides, as `config.toml` in the run's folder has it: with absolute
    /// paths, so that it can be used from any folder.
    pub fn config_text(&self) -> Result<String> {
        let config = file_path::absolutely(|| toml::to_string_pretty(self.config))?;
        Ok(format!("{MARK}\n\n{config}"))
    }

    /// [`Run::config_text`] as a table.
    pub fn config_table(&self) -> Result<toml::Table> {
        Ok(toml::from_str(&self.config_text()?)?)
    }

    /// Runs a row-wise stage; returns its summary.
    pub fn rows<S: RowStage>(
        &self,
        stage: &S,
        inputs: &Inputs<'_, S::Input>,
        options: StageOptions,
    ) -> Result<String> {
        let options = StageOptions {
            shard: self.shard,
            ..options
        };
        let place = self.place()?;
        let folder = place.folder(stage.name(), || stage::key(stage, inputs))?;
        let manifest = stage::run(stage, inputs, &folder, &options, self.progress)?;
        Ok(summary(&manifest))
    }
}

/// The counts of a stage as a line.
pub fn summary(manifest: &Manifest) -> String {
    let counts = &manifest.results.counts;
    let mut line = format!("{} rows in, {} out", counts.rows, counts.outputs);
    if counts.reused > 0 {
        line.push_str(&format!(", {} reused", counts.reused));
    }
    let rejections: u64 = counts.rejections.values().sum();
    if rejections > 0 {
        let mut reasons: Vec<_> = counts.rejections.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let reasons: Vec<String> = reasons
            .iter()
            .take(3)
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let reasons = reasons.join(", ");
        let texts = if rejections == 1 { "text" } else { "texts" };
        line.push_str(&format!(", {rejections} {texts} rejected ({reasons})"));
    }
    if counts.rejected_at_source > 0 {
        let malformed = counts.rejected_at_source;
        let rows = if malformed == 1 { "row" } else { "rows" };
        line.push_str(&format!(", {malformed} malformed {rows} set aside"));
    }
    line
}
