//! `xldistill identify`: the language of each line.

use std::io::Write;

use anyhow::Result;
use corpus::seam::{Identification, LanguageIdentifier};
use engines::whatlang::WhatlangIdentifier;
use serde_json::json;

use crate::{
    arguments::{IdentificationEngine, IdentifyArguments},
    lines,
};

/// What is printed for a text that is too short to tell.
const ABSTAINED: &str = "und";

/// Prints `code TAB probability` for each line of standard input; `und` where the engine abstains.
pub fn run(arguments: &IdentifyArguments) -> Result<()> {
    let IdentificationEngine::Whatlang = arguments.engine;
    let mut out = std::io::stdout().lock();
    for line in lines::of_standard_input()? {
        let (code, probability) = match WhatlangIdentifier.identify(&line) {
            Identification::Abstained => (ABSTAINED, None),
            Identification::Identified {
                language,
                probability,
            } => {
                let native = language.whatlang().filter(|_| arguments.native_codes);
                (native.unwrap_or(language.code()), Some(probability))
            }
        };
        if arguments.json {
            writeln!(
                out,
                "{}",
                json!({ "language": code, "probability": probability })
            )?;
        } else {
            writeln!(out, "{code}\t{:.4}", probability.unwrap_or(0.0))?;
        }
    }
    Ok(())
}
