//! From the config to the engines it names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use corpus::{
    language::Language,
    sampling,
    seam::{Answerer, LanguageIdentifier, QualityEstimator, Translator},
    source,
};
use engines::{
    by_direction::ByDirection,
    comet_kiwi::CometKiwi,
    firefox::FirefoxTranslator,
    http::HttpOptions,
    http_translator::{HttpTranslator, HttpTranslatorOptions},
    llm_translator::{LlmTranslator, TranslationExamples},
    local_llm::{LocalLlm, LocalLlmOptions},
    nllb::{NllbOptions, NllbTranslator},
    openai::{OpenAiClient, OpenAiOptions},
    round_trip::RoundTripChrf,
    translation_cache::{CachedTranslator, TranslationCache},
};
use models::{beam_search::BeamOptions, comet::CometOptions};

use crate::config::{AnswerEngine, Config, QualityEngine, TranslateEngine};

/// The LLM as the answer stage asks it.
pub fn answerer(config: &Config) -> Result<Box<dyn Answerer>> {
    let answer = &config.answer;
    Ok(match answer.engine {
        AnswerEngine::Local => Box::new(LocalLlm::open(
            &config.model,
            LocalLlmOptions {
                max_new_tokens: answer.max_new_tokens,
                batch_size: answer.batch_size,
                system_prompt: answer.system.clone(),
                seed: config.seed,
                weights: answer.precision.into(),
                device: config.device,
                ..LocalLlmOptions::default()
            },
        )?),
        AnswerEngine::OpenAi => {
            let options = OpenAiOptions {
                model: answer.server_model.clone().unwrap_or_default(),
                max_new_tokens: answer.max_new_tokens,
                system_prompt: answer.system.clone(),
                seed: config.seed,
                http: http(answer.timeout_seconds, answer.retries, answer.in_flight),
                ..OpenAiOptions::default()
            };
            Box::new(OpenAiClient::new(answer.url.as_deref(), options)?)
        }
    })
}

fn http(timeout_seconds: u64, retries: usize, in_flight: usize) -> HttpOptions {
    HttpOptions {
        timeout: Duration::from_secs(timeout_seconds.max(1)),
        retries,
        in_flight,
        ..HttpOptions::default()
    }
}

/// An LLM as it is evaluated.
pub fn subject(config: &Config, model: &std::path::Path) -> Result<LocalLlm> {
    let options = LocalLlmOptions {
        max_new_tokens: config.evaluate.max_new_tokens,
        batch_size: config.evaluate.batch_size,
        system_prompt: config.answer.system.clone(),
        weights: config.evaluate.precision.into(),
        device: config.device,
        ..LocalLlmOptions::default()
    };
    Ok(LocalLlm::open(model, options)?)
}

/// The translator from the source into every target language.
pub fn translator(config: &Config) -> Result<Box<dyn Translator>> {
    match config.translate.engine {
        TranslateEngine::Firefox => {
            let direction = |target| (config.source, target);
            by_direction(config, &config.translate.models, direction)
        }
        _ => any_direction(config),
    }
}

/// The translator from the target languages back, where there is one.
pub fn reverse_translator(config: &Config) -> Result<Option<Box<dyn Translator>>> {
    let models = &config.translate.reverse_models;
    match config.translate.engine {
        TranslateEngine::Firefox if models.is_empty() => Ok(None),
        TranslateEngine::Firefox => {
            by_direction(config, models, |target| (target, config.source)).map(Some)
        }
        _ => any_direction(config).map(Some),
    }
}

/// Firefox models, one a direction.
fn by_direction(
    config: &Config,
    models: &BTreeMap<Language, PathBuf>,
    direction: impl Fn(Language) -> (Language, Language),
) -> Result<Box<dyn Translator>> {
    let cache = cache(config)?;
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
        translators.push((from, to, remembering(Box::new(translator), cache.as_ref())));
    }
    Ok(Box::new(ByDirection::new(translators)))
}

/// An engine that translates between any two languages.
fn any_direction(config: &Config) -> Result<Box<dyn Translator>> {
    let translate = &config.translate;
    let http = http(
        translate.timeout_seconds,
        translate.retries,
        translate.in_flight,
    );
    let translator: Box<dyn Translator> = match translate.engine {
        TranslateEngine::Firefox => unreachable!("has one model a direction"),
        TranslateEngine::Nllb => Box::new(nllb(config)?),
        TranslateEngine::Http => {
            let options = HttpTranslatorOptions {
                server_model: translate.server_model.clone(),
                language_codes: translate.language_codes,
                batch_size: translate.batch_size,
                http,
            };
            let url = translate.url.as_deref().unwrap_or_default();
            Box::new(HttpTranslator::new(url, options)?)
        }
        TranslateEngine::Llm => {
            let options = LocalLlmOptions {
                max_new_tokens: translate.max_new_tokens,
                batch_size: translate.batch_size,
                seed: config.seed,
                weights: translate.precision.into(),
                device: config.device,
                ..LocalLlmOptions::default()
            };
            let path = translate.model.as_ref().unwrap_or(&config.model);
            let llm = LlmTranslator::new(LocalLlm::open(path, options)?);
            Box::new(llm.with_examples(examples(config)?))
        }
        TranslateEngine::OpenAi => {
            let options = OpenAiOptions {
                model: translate.server_model.clone().unwrap_or_default(),
                max_new_tokens: translate.max_new_tokens,
                seed: config.seed,
                http,
                ..OpenAiOptions::default()
            };
            let llm = OpenAiClient::new(translate.url.as_deref(), options)?;
            Box::new(LlmTranslator::new(llm).with_examples(examples(config)?))
        }
    };
    Ok(remembering(translator, cache(config)?.as_ref()))
}

/// The NLLB model of the config; the one in memory where it is in use already.
fn nllb(config: &Config) -> Result<Arc<NllbTranslator>> {
    static LOADED: Mutex<Weak<NllbTranslator>> = Mutex::new(Weak::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(translator) = loaded.upgrade() {
        return Ok(translator);
    }
    let translate = &config.translate;
    let options = NllbOptions {
        weights: translate.precision.into(),
        device: config.device,
        search: BeamOptions {
            beam_size: translate.beam_size,
            max_new_tokens: translate.max_new_tokens,
            length_penalty: translate.length_penalty,
            early_stopping: translate.early_stopping.into(),
            no_repeat_ngram_size: translate.no_repeat_ngram_size,
            repetition_penalty: translate.repetition_penalty,
            batch_size: translate.batch_size,
            ..BeamOptions::default()
        },
    };
    let folder = translate.model.as_ref();
    let folder = folder.context("translate.model: name the directory of an NLLB-200 model")?;
    let translator = Arc::new(NllbTranslator::load(folder, options)?);
    for &target in &config.targets {
        translator.check(config.source, target)?;
    }
    *loaded = Arc::downgrade(&translator);
    Ok(translator)
}

/// Pairs of the parallel corpora for an LLM to see, in both directions; the seed chooses them.
fn examples(config: &Config) -> Result<Vec<TranslationExamples>> {
    let mut examples = Vec::new();
    let targets = config
        .targets
        .iter()
        .filter(|_| config.translate.examples > 0);
    for &target in targets {
        let Some(files) = config.data.parallel.get(&target) else {
            continue;
        };
        let mut pairs = source::parallel(files, config.source, target)?.pairs;
        pairs.sort_by_cached_key(|(source, _)| {
            sampling::shuffle_key(config.seed, "translation examples", source)
        });
        pairs.truncate(config.translate.examples);
        let back = pairs.iter().map(|(s, t)| (t.clone(), s.clone())).collect();
        for (from, to, pairs) in [
            (target, config.source, back),
            (config.source, target, pairs),
        ] {
            examples.push(TranslationExamples { from, to, pairs });
        }
    }
    Ok(examples)
}

fn cache(config: &Config) -> Result<Option<Arc<TranslationCache>>> {
    let path = config.translate.cache.as_ref();
    Ok(path.map(|path| TranslationCache::open(path)).transpose()?)
}

/// `translator`, through the cache where there is one.
fn remembering(
    translator: Box<dyn Translator>,
    cache: Option<&Arc<TranslationCache>>,
) -> Box<dyn Translator> {
    match cache {
        Some(cache) => Box::new(CachedTranslator::new(translator, Arc::clone(cache))),
        None => translator,
    }
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
    let quality = &config.estimate_quality;
    match (quality.engine, &quality.model) {
        (QualityEngine::None, _) => Ok(None),
        (QualityEngine::RoundTrip, _) => Ok(reverse_translator(config)?
            .map(|back| Box::new(RoundTripChrf::new(back)) as Box<dyn QualityEstimator>)),
        (QualityEngine::CometKiwi, None) => bail!("estimate_quality.model: no model is named"),
        (QualityEngine::CometKiwi, Some(model)) => {
            let options = CometOptions {
                encoder: quality.encoder.clone(),
                weights: quality.precision.into(),
            };
            Ok(Some(Box::new(CometKiwi::load_reference_free(
                model,
                &options,
                config.device,
            )?)))
        }
    }
}
