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
    calibration::Calibration,
    code_switch::{self, CodeSwitchConfig, CodeSwitchStage},
    decontamination::{EvaluationIndex, NgramSizes},
    dictionary::{BilingualDictionary, Dictionary},
    filter::{FilterStage, MinQuality},
    language::Language,
    mix::{self, MixInputs, TargetPairs, TargetSentences},
    progress::Progress,
    record::{Example, Translated},
    seam::QualityEstimator,
    source::{self, LoadOptions},
    stage::{self, Inputs, Manifest, RowStage, Shard, StageOptions},
    text::budget::DEFAULT_PIECES,
    translate::TranslateStage,
};
use evaluation::{
    material::{EvaluationMaterial, MaterialPaths, Pairs},
    report::Report,
    suite,
    task::Subject,
};
use models::LanguageModel;
use training::Fingerprint;

use crate::{
    arguments::StageName,
    config::{AnswerEngine, Config},
    lines,
    terminal::readable,
    wiring,
};

/// Batches of answers between two commits of the answer stage.
const BATCHES_AT_ONCE: usize = 2;

/// Rounds of requests between two commits of the answer stage, so that one slow answer does not hold
/// up many.
const REQUESTS_AT_ONCE: usize = 4;

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

    fn answer(&self) -> Result<String> {
        let data = &self.config.data;
        let options = LoadOptions {
            limit: data.limit,
            max_rejected_fraction: data.max_rejected_fraction,
            ..LoadOptions::default()
        };
        let loaded = source::load_all(&data.instructions, &options)?;
        let answerer = wiring::answerer(self.config)?;
        let at_once = match self.config.answer.engine {
            AnswerEngine::Local => BATCHES_AT_ONCE * self.config.answer.batch_size,
            AnswerEngine::OpenAi => REQUESTS_AT_ONCE * self.config.answer.in_flight,
        };
        let stage = AnswerStage::new(answerer.as_ref(), at_once);
        let inputs = Inputs::rows(&loaded.instructions).with_rejected(&loaded.rejected);
        // A refused answer costs its row nothing: the given one is there.
        self.run_tolerating(&stage, &inputs, 1.0)
    }

    fn translate(&self) -> Result<String> {
        let translator = wiring::translator(self.config)?;
        let Config {
            source, targets, ..
        } = self.config;
        let stage = TranslateStage::new(
            translator.as_ref(),
            *source,
            targets.clone(),
            DEFAULT_PIECES,
        );
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
        )
        .with_min_quality(self.calibrated(estimator.as_deref())?);
        self.run(&stage, &Inputs::stage(&self.folder(StageName::Translate))?)
    }

    /// The lowest quality that passes of each target, where the config gives it as a quantile.
    fn calibrated(
        &self,
        estimator: Option<&dyn QualityEstimator>,
    ) -> Result<BTreeMap<Language, f64>> {
        let mut scores = BTreeMap::new();
        if let (Some(estimator), Some(MinQuality::Quantile { quantile })) =
            (estimator, self.config.filter.min_quality)
        {
            for pairs in self.human_translations()? {
                let (from, to) = (pairs.source, pairs.target);
                let folder = &self.config.output;
                let calibration =
                    Calibration::kept_in(folder, estimator, &pairs.pairs, from, to, self.progress)?;
                scores.insert(to, calibration.quantile(quantile));
            }
        }
        Ok(scores)
    }

    /// The held-out sentence pairs of every target that has some.
    pub fn human_translations(&self) -> Result<Vec<Pairs>> {
        let material = EvaluationMaterial::load(&MaterialPaths {
            pairs: self.config.evaluate.pairs.clone(),
            ..MaterialPaths::new(self.config.source)
        })?;
        Ok(material.pairs)
    }

    /// The evaluation sets that the transfer set must not have text of.
    fn evaluation_index(&self) -> Result<Option<EvaluationIndex>> {
        let Config {
            decontaminate,
            evaluate,
            ..
        } = self.config;
        if !decontaminate.enabled {
            return Ok(None);
        }
        let mut index = EvaluationIndex::new(NgramSizes {
            words: decontaminate.words,
            characters: decontaminate.characters,
        });
        let own = [&evaluate.questions, &evaluate.pairs, &evaluate.texts];
        let own = own.into_iter().flat_map(BTreeMap::values);
        for path in own.chain(&decontaminate.against) {
            index.add_file(path)?;
        }
        Ok((!index.is_empty()).then_some(index))
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
        if !self.config.translate.engine.is_cheap_on_words() {
            self.progress.note(&format!(
                "no dictionary for {target}, and this engine is too slow to induce one word by word: its questions \
                 are not code-switched; name one under [code_switch.dictionaries]"
            ));
            return Ok(BilingualDictionary::default());
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
        let evaluation = self.evaluation_index()?;
        let inputs = MixInputs {
            rows: Inputs::stage(&self.folder(StageName::CodeSwitch))?,
            source: *source,
            pairs: &pairs,
            monolingual: &monolingual,
            rejected: &rejected,
            evaluation: evaluation.as_ref(),
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
        let (config, folder, output) = (
            &self.config.train,
            self.folder(StageName::Train),
            self.model(),
        );
        let revision = LanguageModel::identity_of(&self.config.model)?.revision;
        let fingerprint = Fingerprint::new(config, &revision, &train, &held_out);
        if let Some(summary) = training::finished(&folder, &output, &fingerprint)? {
            return Ok(summary.to_string());
        }
        let device = self.config.device.open()?.autodiff();
        let form = training::weight_form(config);
        let model = LanguageModel::load_as(&self.config.model, &device, form)?;
        let progress = self.progress;
        let summary =
            training::fine_tune(model, &train, &held_out, config, &folder, &output, progress)?;
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
