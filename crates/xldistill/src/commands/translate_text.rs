//! `xldistill translate-text`: standard input, line by line.

use std::io::Write;

use anyhow::Result;
use corpus::{
    language::Language,
    seam::Translator,
    text::{budget::DEFAULT_PIECES, segment::Segmenter},
    translate::translate_texts,
};
use engines::firefox::FirefoxTranslator;
use serde_json::json;

use crate::{
    arguments::{TranslateTextArguments, TranslationEngine},
    config_file::ConfigError,
    lines,
};

/// Lines translated between two writes, so that a long input shows its first lines early.
const LINES_AT_ONCE: usize = 256;

/// Translates each line of standard input; a line without a translation comes out empty.
pub fn run(arguments: &TranslateTextArguments) -> Result<()> {
    let from = language("--from", &arguments.from)?;
    let to = language("--to", &arguments.to)?;
    let TranslationEngine::Firefox = arguments.engine;
    let translator = FirefoxTranslator::load(&arguments.model)?;
    let segmenter = Segmenter::new(from, DEFAULT_PIECES);
    let mut out = std::io::stdout().lock();
    for sources in lines::of_standard_input()?.chunks(LINES_AT_ONCE) {
        let translations = if arguments.raw {
            translator.translate(sources, from, to)?
        } else {
            let texts: Vec<&str> = sources.iter().map(String::as_str).collect();
            let translations = translate_texts(&translator, &segmenter, &texts, from, to)?;
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

fn language(argument: &str, name: &str) -> Result<Language, ConfigError> {
    Language::parse(name).map_err(|error| ConfigError(format!("{argument}: {error}")))
}
