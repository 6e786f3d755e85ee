//! The stages of the texts: answered, translated, filtered, code-switched.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Result;
use corpus::{
    answer::AnswerStage,
    calibration::Calibration,
    code_switch::{self, CodeSwitchConfig, CodeSwitchStage},
    dictionary::{BilingualDictionary, Dictionary},
    filter::{FilterStage, MinQuality},
    language::Language,
    record::Translated,
    seam::QualityEstimator,
    source::{self, LoadOptions},
    stage::{Inputs, Manifest},
    text::budget::DEFAULT_PIECES,
    translate::TranslateStage,
};
use evaluation::material::{EvaluationMaterial, MaterialPaths, Pairs};

use super::Pipeline;
use crate::{
    arguments::StageName,
    config::{AnswerEngine, Config},
    wiring,
};

/// Batches of answers between two commits of the answer stage.
const BATCHES_AT_ONCE: usize = 2;

/// Rounds of requests between two commits of the answer stage, so that one slow answer does not hold
/// up many.
const REQUESTS_AT_ONCE: usize = 4;

impl Pipeline<'_> {
    pub(super) fn answer(&self) -> Result<String> {
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

    pub(super) fn translate(&self) -> Result<String> {
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

    pub(super) fn filter(&self) -> Result<String> {
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

    pub(super) fn code_switch(&self) -> Result<String> {
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
}
