//! `xldistill identify`: identifies the language of each line.

use std::io::{BufWriter, Write};

use anyhow::Result;
use corpus::seam::Identification;
use engines::choice::KeyError;
use serde_json::json;

use crate::{arguments::IdentifyArguments, config_file::ConfigError, lines};

/// The code for a text on which the engine abstains.
const ABSTAINED: &str = "und";

/// Prints `code TAB probability` for each line of standard input, `und` if the engine abstains.
pub fn run(arguments: IdentifyArguments) -> Result<()> {
    let engine = arguments.engine.read()?;
    let wrong = |error: KeyError| ConfigError(format!("--{error}"));
    engine.check().map_err(wrong)?;
    let identifier = engine.open()?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (mut lines, mut unsure) = (0, 0);
    for line in lines::of_standard_input()? {
        lines += 1;
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
                Identification::Abstained => {
                    unsure += 1;
                    (ABSTAINED, None)
                }
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
    if unsure > 0 {
        tracing::warn!(
            "{unsure} of {lines} lines are too short or too unclear to be sure ({ABSTAINED}); \
             --native-codes prints the engine's guess for every line"
        );
    }
    Ok(())
}
