//! `xldistill identify`: the language of each line.

use std::io::{BufWriter, Write};

use anyhow::Result;
use corpus::seam::Identification;
use engines::identifier::IdentifierEngine;
use serde_json::json;

use crate::{
    arguments::{IdentificationEngine, IdentifyArguments},
    lines,
};

/// What is printed for a text that is too short to tell.
const ABSTAINED: &str = "und";

/// Prints `code TAB probability` for each line of standard input; `und` where the engine abstains.
pub fn run(arguments: &IdentifyArguments) -> Result<()> {
    let engine = match arguments.engine {
        IdentificationEngine::Whatlang => IdentifierEngine::Whatlang,
        IdentificationEngine::Cld3 => IdentifierEngine::Cld3,
        IdentificationEngine::FastText => IdentifierEngine::FastText,
    };
    let identifier = engine.load(arguments.model.as_deref())?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in lines::of_standard_input()? {
        let (code, probability) = if arguments.native_codes {
            match identifier.native_label(&line) {
                Some(native) => (native.label, Some(native.probability)),
                None => (ABSTAINED, None),
            }
        } else {
            match identifier.identify(&line) {
                Identification::Identified {
                    language,
                    probability,
                } => (language.code(), Some(probability)),
                Identification::Abstained => (ABSTAINED, None),
            }
        };
        if arguments.json {
            let line = json!({ "language": code, "probability": probability });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{code}\t{:.4}", probability.unwrap_or(0.0))?;
        }
    }
    out.flush()?;
    Ok(())
}
