//! A run, stage by stage: where each finds its rows, and where it leaves them.

mod model;
mod texts;
mod transfer_set;

pub use model::memory;

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context, Result};
use corpus::{
    progress::Progress,
    stage::{self, Inputs, Manifest, RowStage, Shard, StageOptions},
};
use evaluation::report::Report;

use crate::{arguments::StageName, config::Config, terminal::readable};

/// One run of a config.
pub struct Pipeline<'a> {
    config: &'a Config,
    shard: Shard,
    progress: &'a dyn Progress,
}

impl<'a> Pipeline<'a> {
    /// A run of `config`; the row-wise stages work on `shard`.
    pub fn new(config: &'a Config, shard: Shard, progress: &'a dyn Progress) -> Self {
        Self {
            config,
            shard,
            progress,
        }
    }

    /// Does one stage; what is done already is not done again.
    pub fn stage(&self, stage: StageName) -> Result<()> {
        self.remember_config(stage)?;
        let started = Instant::now();
        let outcome = match stage {
            StageName::Answer => self.answer(),
            StageName::Translate => self.translate(),
            StageName::Filter => self.filter(),
            StageName::CodeSwitch => self.code_switch(),
            StageName::Mix => self.mix(),
            StageName::Train => self.train(),
            StageName::Evaluate => self.evaluate(),
            StageName::Report => return self.report(),
        };
        let summary = outcome.with_context(|| format!("stage {} failed", name(stage)))?;
        let elapsed = readable(started.elapsed());
        self.progress
            .note(&format!("{:>12}  {summary}  ({elapsed})", name(stage)));
        Ok(())
    }

    /// The folder of a stage.
    pub fn folder(&self, stage: StageName) -> PathBuf {
        self.config.output.join(name(stage))
    }

    /// The model that the run ends with.
    pub fn model(&self) -> PathBuf {
        self.config.output.join("model")
    }

    /// Writes the config beside the stages, unless another run holds this one: its config is not
    /// ours to replace.
    fn remember_config(&self, stage: StageName) -> Result<()> {
        stage::require_free(&self.folder(stage), self.shard)?;
        let folder = &self.config.output;
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join("config.toml");
        let text = toml::to_string_pretty(self.config)?;
        if fs::read_to_string(&path).is_ok_and(|known| known == text) {
            return Ok(());
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn run<S: RowStage>(&self, stage: &S, inputs: &Inputs<'_, S::Input>) -> Result<String> {
        self.run_tolerating(stage, inputs, StageOptions::default().max_rejected_fraction)
    }

    fn run_tolerating<S: RowStage>(
        &self,
        stage: &S,
        inputs: &Inputs<'_, S::Input>,
        max_rejected_fraction: f64,
    ) -> Result<String> {
        let options = StageOptions {
            shard: self.shard,
            max_rejected_fraction,
            ..StageOptions::default()
        };
        let folder = self.config.output.join(stage.name());
        let manifest = stage::run(stage, inputs, &folder, &options, self.progress)?;
        Ok(summary(&manifest))
    }

    fn report(&self) -> Result<()> {
        let report = Report::gather(&self.config.output)?;
        let page = report.write(&self.config.output)?;
        println!("{}", evaluation::report::terminal::render(&report, None));
        self.progress.note(&format!("report: {}", page.display()));
        Ok(())
    }
}

/// Name of a stage and of its folder.
pub fn name(stage: StageName) -> &'static str {
    match stage {
        StageName::Answer => "answer",
        StageName::Translate => "translate",
        StageName::Filter => "filter",
        StageName::CodeSwitch => "code_switch",
        StageName::Mix => "mix",
        StageName::Train => "train",
        StageName::Evaluate => "evaluate",
        StageName::Report => "report",
    }
}

fn summary(manifest: &Manifest) -> String {
    let counts = &manifest.counts;
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
        line.push_str(&format!(
            ", {rejections} texts refused ({})",
            reasons.join(", ")
        ));
    }
    if counts.rejected_at_source > 0 {
        line.push_str(&format!(
            ", {} malformed rows kept aside",
            counts.rejected_at_source
        ));
    }
    line
}
