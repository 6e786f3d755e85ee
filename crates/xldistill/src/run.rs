//! A run of a config: its folders, its engines, and results that several stages read.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use artefacts::{ArtefactError, Key, Place};
use corpus::progress::Progress;
use corpus::seam::QualityEstimator;
use corpus::stage::{self, Inputs, Manifest, RowStage, Shard, StageOptions};
use engines::engine_config::Translators;
use engines::local_llm::{LocalLlm, LocalLlmOptions};
use evaluation::material::{EvaluationMaterial, MaterialPaths, Pairs};

use crate::config::Config;

/// A run of a config.
pub struct Run<'a> {
    /// The config.
    pub config: &'a Config,
    /// The shard that row-wise stages work on.
    pub shard: Shard,
    /// Progress of the work.
    pub progress: &'a dyn Progress,
}

impl Run<'_> {
    /// The folder of the stage `name`.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.config.output.join(name)
    }

    /// The folder for the artefact of the stage `name`, in the store if the run has one.
    pub fn artefact(&self, name: &str, key: impl FnOnce() -> Result<Key>) -> Result<PathBuf> {
        self.place()?.folder(name, key)
    }

    /// The location of the run's artefacts.
    pub fn place(&self) -> Result<Place, ArtefactError> {
        Place::new(&self.config.output, self.config.store.as_deref())
    }

    /// Folder of the fine-tuned model.
    pub fn model(&self) -> PathBuf {
        self.config.output.join("model")
    }

    /// Writes the config to the run's folder; fails if another process is using the folder of the
    /// stage `name`, since it has a config of its own.
    pub fn record_config(&self, name: &str) -> Result<()> {
        stage::require_free(&self.folder(name), self.shard)?;
        let folder = &self.config.output;
        fs::create_dir_all(folder).with_context(|| format!("cannot create {folder}"))?;
        let path = folder.join("config.toml");
        let text = toml::to_string_pretty(self.config)?;
        if fs::read_to_string(&path).is_ok_and(|known| known == text) {
            return Ok(());
        }
        artefacts::write(&path, text.as_bytes())?;
        Ok(())
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
        let folder = self.artefact(stage.name(), || Ok(stage::key(stage, inputs)?))?;
        let manifest = stage::run(stage, inputs, &folder, &options, self.progress)?;
        Ok(summary(&manifest))
    }

    /// The translators of the config, in both directions.
    pub fn translators(&self) -> Result<Translators> {
        Ok(self.config.translate.open(&self.config.opening())?)
    }

    /// The quality estimator of the config, if there is one.
    pub fn estimator(&self) -> Result<Option<Box<dyn QualityEstimator>>> {
        let Config {
            estimate_quality,
            translate,
            device,
            ..
        } = self.config;
        let translators = || translate.open(&self.config.opening());
        Ok(estimate_quality.open(*device, &translators)?)
    }

    /// The LLM at `model`, with the settings of the evaluation.
    pub fn evaluated(&self, model: &Path) -> Result<LocalLlm> {
        let evaluate = &self.config.evaluate;
        let options = LocalLlmOptions {
            max_new_tokens: evaluate.max_new_tokens,
            batch_size: evaluate.batch_size,
            system_prompt: self.config.answer.system().map(str::to_owned),
            weights: evaluate.precision,
            device: self.config.device,
            ..LocalLlmOptions::default()
        };
        Ok(LocalLlm::open(model, options)?)
    }

    /// The held-out sentence pairs of all targets that have some.
    pub fn human_translations(&self) -> Result<Vec<Pairs>> {
        let source = self.config.source;
        let material = EvaluationMaterial::load(&MaterialPaths {
            pairs: self.config.evaluate.material(source).pairs,
            ..MaterialPaths::new(source)
        })?;
        Ok(material.pairs)
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
        line.push_str(&format!(", {rejections} texts rejected ({reasons})"));
    }
    if counts.rejected_at_source > 0 {
        line.push_str(&format!(
            ", {} malformed rows set aside",
            counts.rejected_at_source
        ));
    }
    line
}
