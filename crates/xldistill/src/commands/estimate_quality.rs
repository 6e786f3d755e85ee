//! `xldistill estimate-quality`: scores translations with CometKiwi or COMET.

use std::{io::Write, path::Path};

use anyhow::{Result, bail};
use engines::choice::KeyError;
use engines::comet_kiwi::CometKiwi;
use models::comet::Sample;
use serde_json::json;

use crate::{
    arguments::{EstimateQualityArguments, language},
    config_file::ConfigError,
    lines,
};

/// Number of samples between two writes, so that the first scores of a long input appear early.
const SAMPLES_AT_ONCE: usize = 256;

/// Prints the score of each line.
pub fn run(arguments: EstimateQualityArguments) -> Result<()> {
    let from = language("--from", &arguments.from)?;
    let to = language("--to", &arguments.to)?;
    let sources = lines::of_file(&arguments.source)?;
    let translations = lines::of_file(&arguments.translation)?;
    check_lines(
        &arguments.source,
        &sources,
        &arguments.translation,
        &translations,
    )?;
    let references = match &arguments.reference {
        Some(path) => {
            let references = lines::of_file(path)?;
            check_lines(&arguments.source, &sources, path, &references)?;
            Some(references)
        }
        None => None,
    };
    let comet = arguments.comet.read()?.0;
    let wrong = |error: KeyError| ConfigError(format!("--{error}"));
    let (model, options) = (comet.model().map_err(wrong)?, comet.options());
    let metric = match references {
        Some(_) => CometKiwi::load(model, &options, arguments.device)?,
        None => CometKiwi::load_reference_free(model, &options, arguments.device)?,
    };
    let samples: Vec<Sample<'_>> = (0..sources.len())
        .map(|line| Sample {
            source: &sources[line],
            translation: &translations[line],
            reference: references.as_ref().map(|lines| lines[line].as_str()),
        })
        .collect();
    let mut out = std::io::stdout().lock();
    for samples in samples.chunks(SAMPLES_AT_ONCE) {
        for (sample, score) in samples.iter().zip(metric.score(samples, from, to)?) {
            if arguments.json {
                let (source, translation) = (sample.source, sample.translation);
                let line = json!({ "source": source, "translation": translation, "score": score });
                writeln!(out, "{line}")?;
            } else {
                writeln!(out, "{score:.6}")?;
            }
        }
        out.flush()?;
    }
    Ok(())
}

fn check_lines(first: &Path, a: &[String], second: &Path, b: &[String]) -> Result<()> {
    if a.len() != b.len() {
        bail!(
            "{} has {} lines, but {} has {}; both need the same number",
            first.display(),
            a.len(),
            second.display(),
            b.len()
        );
    }
    Ok(())
}
