//! From the config to the engines it names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use corpus::{
    language::Language,
    seam::{LanguageIdentifier, QualityEstimator, Translator},
};
use engines::{
    by_direction::ByDirection,
    firefox::FirefoxTranslator,
    local_llm::{LocalLlm, LocalLlmOptions},
    round_trip::RoundTripChrf,
};
use models::kernels::WeightFormat;

use crate::config::{Config, QualityEngine, TranslateEngine};

/// The LLM as the answer stage asks it.
pub fn answerer(config: &Config) -> Result<LocalLlm> {
    let options = LocalLlmOptions {
        max_new_tokens: config.answer.max_new_tokens,
        batch_size: config.answer.batch_size,
        system_prompt: config.answer.system.clone(),
        seed: config.seed,
        weights: WeightFormat::Bf16,
        ..LocalLlmOptions::default()
    };
    Ok(LocalLlm::load(&config.model, options)?)
}

/// An LLM as it is evaluated.
pub fn subject(config: &Config, model: &std::path::Path) -> Result<LocalLlm> {
    let options = LocalLlmOptions {
        max_new_tokens: config.evaluate.max_new_tokens,
        batch_size: config.evaluate.batch_size,
        system_prompt: config.answer.system.clone(),
        ..LocalLlmOptions::default()
    };
    Ok(LocalLlm::load(model, options)?)
}

/// The translator from the source into every target language.
pub fn translator(config: &Config) -> Result<ByDirection> {
    let direction = |target| (config.source, target);
    by_direction(config, &config.translate.models, direction)
}

/// The translator from the target languages back, where the config names models for it.
pub fn reverse_translator(config: &Config) -> Result<Option<ByDirection>> {
    let models = &config.translate.reverse_models;
    if models.is_empty() {
        return Ok(None);
    }
    by_direction(config, models, |target| (target, config.source)).map(Some)
}

fn by_direction(
    config: &Config,
    models: &BTreeMap<Language, PathBuf>,
    direction: impl Fn(Language) -> (Language, Language),
) -> Result<ByDirection> {
    let TranslateEngine::Firefox = config.translate.engine;
    let mut translators: Vec<(Language, Language, Box<dyn Translator>)> = Vec::new();
    for (&target, path) in models {
        let (from, to) = direction(target);
        let translator = FirefoxTranslator::load(path)?;
        if let Some((own_from, own_to)) = translator.direction()
            && (own_from, own_to) != (from, to)
        {
            bail!(
                "{}: this model translates {own_from} into {own_to}, not {from} into {to}; \
                 check [translate]",
                path.display()
            );
        }
        translators.push((from, to, Box::new(translator)));
    }
    Ok(ByDirection::new(translators))
}

/// The language identifier.
pub fn identifier(config: &Config) -> Result<Box<dyn LanguageIdentifier>> {
    Ok(config
        .identify
        .engine
        .load(config.identify.model.as_deref())?)
}

/// The quality estimator, unless the config wants none.
pub fn estimator(config: &Config) -> Result<Option<Box<dyn QualityEstimator>>> {
    if config.estimate_quality.engine == QualityEngine::None {
        return Ok(None);
    }
    Ok(reverse_translator(config)?
        .map(|back| Box::new(RoundTripChrf::new(back)) as Box<dyn QualityEstimator>))
}
