//! `xldistill calibrate`: quality scores of human and of deliberately bad translations.

use std::io::Write;

use anyhow::{Result, bail};
use corpus::{
    calibration::{Calibration, Consequences},
    filter::MinQuality,
    stage::Shard,
};
use serde_json::json;

use crate::{
    arguments::CalibrateArguments, config_file::ConfigError, run::Run, sdrrl::Config,
    terminal::Terminal,
};

/// The quantiles to show.
const QUANTILES: [f64; 7] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.95];

/// Scores the held-out pairs of every target; prints the quantiles of their scores and the effects
/// of thresholds, the config's among them.
pub fn run(arguments: &CalibrateArguments, terminal: &Terminal) -> Result<()> {
    let config: Config = arguments.config.read()?;
    if config.evaluate.pairs.is_empty() {
        return Err(ConfigError(
            "calibrate needs human translations: name some under [evaluate.pairs]".into(),
        )
        .into());
    }
    let run = Run::new(&config, Shard::WHOLE, terminal);
    let Some(estimator) = run.estimator()? else {
        bail!("estimate_quality.engine = \"none\": there are no scores to calibrate");
    };
    let mut directions = Vec::new();
    let mut out = std::io::stdout().lock();
    for mut pairs in run.human_translations()? {
        pairs.pairs.truncate(arguments.limit.unwrap_or(usize::MAX));
        let (from, to) = (pairs.source, pairs.target);
        let scores = Calibration::of(estimator.as_ref(), &pairs.pairs, from, to, terminal)?;
        let configured = match config.filter.min_quality {
            Some(MinQuality::Score(score)) => score,
            Some(MinQuality::Quantile { quantile }) => scores.quantile(quantile),
            None => estimator.default_threshold(),
        };
        let quantiles = QUANTILES.map(|quantile| (quantile, scores.quantile(quantile)));
        let mut thresholds = vec![configured];
        for (_, score) in &quantiles[..4] {
            // Few pairs have the same score at several quantiles.
            if !thresholds.contains(score) {
                thresholds.push(*score);
            }
        }
        let consequences: Vec<Consequences> = thresholds
            .into_iter()
            .map(|score| scores.consequences(score))
            .collect();
        if arguments.json {
            directions.push(json!({
                "from": from,
                "to": to,
                "estimator": scores.estimator,
                "pairs": scores.human.len(),
                "quantiles": quantiles.map(|(quantile, score)| json!({ "quantile": quantile, "score": score })),
                "configured": consequences[0],
                "thresholds": consequences,
            }));
            continue;
        }
        let engine = &scores.estimator.engine;
        writeln!(
            out,
            "{from} to {to}: {} human translations, scored by {engine}",
            scores.human.len()
        )?;
        for (quantile, score) in quantiles {
            writeln!(out, "  {:>4.0} % score below {score:.3}", 100.0 * quantile)?;
        }
        writeln!(
            out,
            "  {:>11}  {:>14}  {:>13}  {:>15}  {:>15}",
            "min_quality", "human rejected", "copies passed", "truncated passed", "shuffled passed"
        )?;
        for (index, at) in consequences.iter().enumerate() {
            writeln!(
                out,
                "  {:>11.3}  {:>12.1} %  {:>11.1} %  {:>14.1} %  {:>13.1} %{}",
                at.min_quality,
                100.0 * at.human_rejected,
                100.0 * at.copied_accepted,
                100.0 * at.truncated_accepted,
                100.0 * at.shuffled_accepted,
                if index == 0 { "  this config" } else { "" }
            )?;
        }
        if consequences[0].copied_accepted > 0.0 {
            writeln!(
                out,
                "  filter.max_source_similarity rejects copies, whatever their score"
            )?;
        }
    }
    if arguments.json {
        writeln!(out, "{}", json!({ "directions": directions }))?;
    }
    Ok(())
}
