//! `xldistill perplexity`: the perplexity of each line.

use std::io::Write;

use anyhow::Result;
use models::scoring::{ScoredSequence, log_probabilities};
use serde_json::json;

use crate::{arguments::PerplexityArguments, lines};

/// Prints the perplexity of each line of standard input.
///
/// The BOS token is prepended if the tokenizer has one; every later token gets a natural-log
/// probability. A line with fewer than two tokens has no perplexity.
pub fn run(arguments: &PerplexityArguments) -> Result<()> {
    let model = arguments.model.load()?;
    let lines = lines::of_standard_input()?;
    let sequences = lines
        .iter()
        .map(|line| ScoredSequence::plain(&model.tokenizer, line))
        .collect::<Result<Vec<_>, _>>()?;
    let scores = log_probabilities(&model, &sequences, &mut |_| {});
    let mut out = std::io::stdout().lock();
    let mut without = 0;
    for (sequence, scores) in sequences.iter().zip(scores) {
        let sum: f64 = scores.iter().map(|&score| f64::from(score)).sum();
        let perplexity = (!scores.is_empty()).then(|| (-sum / scores.len() as f64).exp());
        without += usize::from(perplexity.is_none());
        if arguments.json {
            let line =
                json!({ "tokens": sequence.ids, "logprobs": scores, "perplexity": perplexity });
            writeln!(out, "{line}")?;
        } else {
            match perplexity {
                Some(perplexity) => writeln!(out, "{perplexity:.4}")?,
                None => writeln!(out, "nan")?,
            }
        }
    }
    out.flush()?;
    if without > 0 {
        tracing::warn!(
            "{without} of {} lines have no perplexity, which takes two tokens",
            lines.len()
        );
    }
    Ok(())
}
