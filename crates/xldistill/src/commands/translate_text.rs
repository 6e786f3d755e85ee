//! `xldistill translate-text`: standard input, line by line.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use corpus::{
    language::Language,
    seam::Translator,
    text::{budget::DEFAULT_PIECES, segment::Segmenter},
    translate::translate_texts,
};
use engines::{
    firefox::FirefoxTranslator,
    http_translator::{HttpTranslator, HttpTranslatorOptions, LanguageCodes},
    llm_translator::LlmTranslator,
    local_llm::{LocalLlm, LocalLlmOptions},
    nllb::{NllbOptions, NllbTranslator},
    openai::{OpenAiClient, OpenAiOptions},
    translation_cache::{CachedTranslator, TranslationCache},
};
use models::{beam_search::BeamOptions, kernels::WeightFormat};
use serde_json::json;

use crate::{
    arguments::{LanguageCodesArgument, TranslateTextArguments, TranslationEngine, language},
    lines,
};

/// Lines translated between two writes, so that a long input shows its first lines early.
const LINES_AT_ONCE: usize = 256;

/// Translates each line of standard input; a line without a translation comes out empty.
pub fn run(arguments: &TranslateTextArguments) -> Result<()> {
    let from = language("--from", &arguments.from)?;
    let to = language("--to", &arguments.to)?;
    let translator = translator(arguments, from, to)?;
    let segmenter = Segmenter::new(from, DEFAULT_PIECES);
    let mut out = std::io::stdout().lock();
    for sources in lines::of_standard_input()?.chunks(LINES_AT_ONCE) {
        let translations = if arguments.raw {
            translator.translate(sources, from, to)?
        } else {
            let texts: Vec<&str> = sources.iter().map(String::as_str).collect();
            let translations = translate_texts(translator.as_ref(), &segmenter, &texts, from, to)?;
            translations
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect()
        };
        for (source, translation) in sources.iter().zip(translations) {
            if arguments.json {
                writeln!(
                    out,
                    "{}",
                    json!({ "source": source, "translation": translation })
                )?;
            } else {
                writeln!(out, "{translation}")?;
            }
        }
        out.flush()?;
    }
    Ok(())
}

fn translator(
    arguments: &TranslateTextArguments,
    from: Language,
    to: Language,
) -> Result<Box<dyn Translator>> {
    // clap has seen to it that what the engine needs is there.
    let model = arguments.model.clone().unwrap_or_default();
    let translator: Box<dyn Translator> = match arguments.engine {
        TranslationEngine::Firefox => Box::new(FirefoxTranslator::load(&model)?),
        TranslationEngine::Nllb => Box::new(nllb(arguments, &model, from, to)?),
        TranslationEngine::Http => {
            let options = HttpTranslatorOptions {
                server_model: arguments.server_model.clone(),
                language_codes: match arguments.language_codes {
                    LanguageCodesArgument::Iso => LanguageCodes::Iso,
                    LanguageCodesArgument::Flores => LanguageCodes::Flores,
                },
                ..HttpTranslatorOptions::default()
            };
            let url = arguments.url.as_deref().unwrap_or_default();
            Box::new(HttpTranslator::new(url, options)?)
        }
        TranslationEngine::Llm => {
            let options = LocalLlmOptions {
                weights: WeightFormat::Bf16,
                device: arguments.device,
                ..LocalLlmOptions::default()
            };
            Box::new(LlmTranslator::new(LocalLlm::open(&model, options)?))
        }
        TranslationEngine::OpenAi => {
            let options = OpenAiOptions {
                model: arguments.server_model.clone().unwrap_or_default(),
                ..OpenAiOptions::default()
            };
            let llm = OpenAiClient::new(arguments.url.as_deref(), options)?;
            Box::new(LlmTranslator::new(llm))
        }
    };
    Ok(match &arguments.cache {
        Some(path) => Box::new(CachedTranslator::new(
            translator,
            TranslationCache::open(path)?,
        )),
        None => translator,
    })
}

fn nllb(
    arguments: &TranslateTextArguments,
    model: &Path,
    from: Language,
    to: Language,
) -> Result<NllbTranslator> {
    let options = NllbOptions {
        weights: arguments.precision.into(),
        device: arguments.device,
        search: BeamOptions {
            beam_size: arguments.beam_size,
            max_new_tokens: arguments.max_new_tokens,
            no_repeat_ngram_size: arguments.no_repeat_ngram_size,
            batch_size: arguments.batch_size,
            ..BeamOptions::default()
        },
    };
    let translator = NllbTranslator::load(model, options)?;
    translator.check(from, to)?;
    Ok(translator)
}
