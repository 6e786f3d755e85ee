//! A run, stage by stage: where each finds its rows, and where it leaves them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use corpus::{
    answer::AnswerStage,
    code_switch::{self, CodeSwitchConfig, CodeSwitchStage},
    dictionary::{BilingualDictionary, Dictionary},
    filter::FilterStage,
    language::Language,
    mix::{self, MixInputs, TargetPairs, TargetSentences},
    progress::Progress,
    record::{Example, Translated},
    rejected::Rejected,
    source::{self, LoadOptions},
    stage::{self, Inputs, Manifest, RowStage, Shard, StageOptions},
    text::budget::DEFAULT_PIECES,
    translate::TranslateStage,
};
use evaluation::{
    material::{EvaluationMaterial, MaterialPaths},
    report::Report,
    suite,
    task::Subject,
};
use models::LanguageModel;

use crate::{arguments::StageName, config::Config, lines, terminal::readable, wiring};

/// Batches of answers between two commits of the answer stage.
const BATCHES_AT_ONCE: usize = 2;

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
        self.remember_config()?;
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

    fn remember_config(&self) -> Result<()> {
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

    fn answer(&self) -> Result<String> {
        let data = &self.config.data;
        let mut instructions = Vec::new();
        let mut rejected: Vec<Rejected> = Vec::new();
        for path in &data.instructions {
            let limit = data
                .limit
                .map(|limit| limit.saturating_sub(instructions.len()));
            if limit == Some(0) {
                break;
            }
            let options = LoadOptions {
                limit,
                max_rejected_fraction: data.max_rejected_fraction,
                ..LoadOptions::default()
            };
            let loaded = source::load(path, &options)?;
            instructions.extend(loaded.instructions);
            rejected.extend(loaded.rejected);
        }
        let answerer = wiring::answerer(self.config)?;
        let stage = AnswerStage::new(&answerer, BATCHES_AT_ONCE * self.config.answer.batch_size);
        let inputs = Inputs::rows(&instructions).with_rejected(&rejected);
        // A refused answer costs its row nothing: the given one is there.
        self.run_tolerating(&stage, &inputs, 1.0)
    }

    fn translate(&self) -> Result<String> {
        let translator = wiring::translator(self.config)?;
        let Config {
            source, targets, ..
        } = self.config;
        let stage = TranslateStage::new(&translator, *source, targets.clone(), DEFAULT_PIECES);
        self.run(&stage, &Inputs::stage(&self.folder(StageName::Answer))?)
    }

    fn filter(&self) -> Result<String> {
        let identifier = wiring::identifier(self.config)?;
        let estimator = wiring::estimator(self.config)?;
        let stage = FilterStage::new(
            identifier.as_ref(),
            estimator.as_deref(),
            self.config.source,
            self.config.filter.clone(),
        );
        self.run(&stage, &Inputs::stage(&self.folder(StageName::Translate))?)
    }

    fn code_switch(&self) -> Result<String> {
        let inputs = Inputs::stage(&self.folder(StageName::Filter))?;
        let mut dictionaries = BTreeMap::new();
        for &target in &self.config.targets {
            dictionaries.insert(target, self.dictionary(target, &inputs)?);
        }
        let config = CodeSwitchConfig {
            probability: self.config.code_switch.probability,
            seed: self.config.seed,
        };
        let summary = self.run(
            &CodeSwitchStage::new(dictionaries, self.config.source, config),
            &inputs,
        )?;
        let folder = self.folder(StageName::CodeSwitch);
        let coverage = match Manifest::read(&folder) {
            Ok(manifest) => code_switch::coverage_summary(&manifest),
            // Of a shard: the merging run reports it.
            Err(_) => String::new(),
        };
        Ok(match coverage.is_empty() {
            true => summary,
            false => format!("{summary}; {coverage}"),
        })
    }

    /// The dictionary of one target language: the files that the config names, else induced.
    fn dictionary(
        &self,
        target: Language,
        inputs: &Inputs<'_, Translated>,
    ) -> Result<BilingualDictionary> {
        let load = |files: &BTreeMap<Language, Vec<PathBuf>>| -> Result<Dictionary> {
            let mut dictionary = Dictionary::default();
            for path in files.get(&target).into_iter().flatten() {
                dictionary.merge(&Dictionary::load(path)?.dictionary);
            }
            Ok(dictionary)
        };
        let forward = load(&self.config.code_switch.dictionaries)?;
        let backward = load(&self.config.code_switch.reverse_dictionaries)?;
        if !forward.is_empty() || !backward.is_empty() {
            return Ok(BilingualDictionary::new(forward, backward));
        }
        let Some(back) = wiring::reverse_translator(self.config)? else {
            self.progress.note(&format!(
                "no dictionary for {target} and no model back to induce one: its questions are not code-switched"
            ));
            return Ok(BilingualDictionary::default());
        };
        let there = wiring::translator(self.config)?;
        let source = self.config.source;
        let folder = self.folder(StageName::CodeSwitch);
        Ok(code_switch::induced::dictionary(
            inputs, &there, &back, source, target, &folder,
        )?)
    }

    fn mix(&self) -> Result<String> {
        let Config { source, data, .. } = self.config;
        let (mut pairs, mut rejected) = (Vec::new(), Vec::new());
        for (&target, files) in &data.parallel {
            let loaded = source::parallel(files, *source, target)?;
            rejected.extend(loaded.rejected);
            pairs.push(TargetPairs {
                target,
                pairs: loaded.pairs,
            });
        }
        let mut monolingual = Vec::new();
        for (&target, path) in &data.monolingual {
            monolingual.push(TargetSentences {
                target,
                sentences: lines::of_file(path)?,
            });
        }
        let inputs = MixInputs {
            rows: Inputs::stage(&self.folder(StageName::CodeSwitch))?,
            source: *source,
            pairs: &pairs,
            monolingual: &monolingual,
            rejected: &rejected,
        };
        let folder = self.folder(StageName::Mix);
        let manifest = mix::mix(&inputs, &self.config.mix, &folder, self.progress)?;
        Ok(summary(&manifest))
    }

    /// The training part of the transfer set.
    pub fn transfer_set(&self) -> Result<Vec<Example>> {
        let folder = self.folder(StageName::Mix);
        examples(&folder.join(Manifest::read(&folder)?.files.output))
    }

    fn train(&self) -> Result<String> {
        let train = self.transfer_set()?;
        let held_out = examples(&self.folder(StageName::Mix).join(mix::HELD_OUT_FILE))?;
        let device = burn::tensor::Device::flex().autodiff();
        let model = LanguageModel::load(&self.config.model, &device)?;
        let summary = training::fine_tune(
            model,
            &train,
            &held_out,
            &self.config.train,
            &self.folder(StageName::Train),
            &self.model(),
            self.progress,
        )?;
        Ok(summary.to_string())
    }

    fn evaluate(&self) -> Result<String> {
        let config = &self.config.evaluate;
        let material = EvaluationMaterial::load(&MaterialPaths {
            questions: config.questions.clone(),
            pairs: config.pairs.clone(),
            texts: config.texts.clone(),
            examples: Some(self.folder(StageName::Mix).join(mix::HELD_OUT_FILE)),
            limit: config.limit,
            ..MaterialPaths::new(self.config.source)
        })?;
        let identifier = wiring::identifier(self.config)?;
        let mut documents = 0;
        for (which, model) in [
            ("before", self.config.model.clone()),
            ("after", self.model()),
        ] {
            let llm = wiring::subject(self.config, &model)?;
            let subject = Subject {
                answerer: &llm,
                scorer: Some(&llm),
                identifier: identifier.as_ref(),
            };
            let results = suite::evaluate(
                &subject,
                self.config.source,
                &material,
                &config.tasks(),
                &self.folder(StageName::Evaluate).join(which),
                self.progress,
            )?;
            documents += results.xldistill.tasks.len();
        }
        Ok(format!("{documents} tasks"))
    }

    fn report(&self) -> Result<()> {
        let report = Report::gather(&self.config.output)?;
        let page = report.write(&self.config.output)?;
        println!("{}", evaluation::report::terminal::render(&report, None));
        self.progress.note(&format!("report: {}", page.display()));
        Ok(())
    }
}

fn examples(path: &Path) -> Result<Vec<Example>> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; run the stage mix first", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}:{}: not an example", path.display(), number + 1))
        })
        .collect()
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
