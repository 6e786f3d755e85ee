//! `xldistill translate-text`: standard input, line by line.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use corpus::{
    source::ParallelSource,
    text::{budget::DEFAULT_PIECES, segment::Segmenter},
    translation::translate_texts,
};
use engines::{choice::KeyError, opening::Opening};
use serde_json::json;

use crate::{
    arguments::{TranslateTextArguments, flag, language},
    config_file::ConfigError,
    lines,
};

/// Lines translated between two writes, so that a long input shows its first lines early.
const LINES_AT_ONCE: usize = 256;

/// Translates each line of standard input; a line without a translation comes out empty.
pub fn run(mut arguments: TranslateTextArguments) -> Result<()> {
    let from = language("--from", &arguments.from)?;
    let to = language("--to", &arguments.to)?;
    if arguments.engine.engine() == "firefox" {
        // In a config, these models are named by language.
        let by_language = |model| json!({ to.code(): model });
        arguments.engine.replace("model", "models", by_language);
    }
    let parallel = arguments
        .parallel
        .map(|file| (to, ParallelSource::File(file.into())));
    let parallel: BTreeMap<_, _> = parallel.into_iter().collect();
    let opening = Opening {
        model: None,
        template: None,
        source: from,
        targets: &[to],
        parallel: &parallel,
        device: arguments.device,
        seed: 0,
    };
    let engine = arguments.engine.read()?;
    let wrong = |error: KeyError| {
        ConfigError(match error.key {
            "models" => "--model: name the folder of a Firefox model".to_owned(),
            key => format!("{}: {}", flag(key), error.message),
        })
    };
    engine.engine.check(&opening).map_err(wrong)?;
    let translator = engine.open(&opening)?.there;
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
                let line = json!({ "source": source, "translation": translation });
                writeln!(out, "{line}")?;
            } else {
                writeln!(out, "{translation}")?;
            }
        }
        out.flush()?;
    }
    Ok(())
}
