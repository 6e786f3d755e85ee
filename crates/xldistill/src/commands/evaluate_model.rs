//! `xldistill evaluate CONFIG --model PATH`: any model on the material of a config.

use anyhow::Result;
use corpus::stage::Shard;
use engines::model_ref::ModelRef;

use crate::arguments::ConfigArguments;
use crate::checks::Checks;
use crate::config_file::ConfigError;
use crate::run::Run;
use crate::sdrrl;
use crate::sdrrl::stages::evaluate::{Evaluate, evaluate_model};
use crate::stages::Stage;
use crate::system::SystemName;
use crate::terminal::Terminal;

/// Evaluates `model` and prints its scores, one per line: task, measure, score, 95 % interval.
pub fn run(arguments: &ConfigArguments, model: &ModelRef, terminal: &Terminal) -> Result<()> {
    model.check().map_err(anyhow::Error::msg)?;
    if arguments.system()? != SystemName::Sdrrl {
        let message =
            "--model: goes with configs of SDRRL; `predict` and `score` evaluate classifiers";
        return Err(ConfigError(message.into()).into());
    }
    let config = arguments.read::<sdrrl::Config>()?;
    let run = Run {
        config: &config,
        shard: Shard::WHOLE,
        progress: terminal,
    };
    let mut failed = |what: &str, outcome: &Result<String>| match outcome {
        Ok(_) => Ok(()),
        Err(error) => anyhow::bail!("{what}: {}", crate::describe(error)),
    };
    Evaluate.check(&run, &mut Checks::new(false, &mut failed))?;
    let (folder, results) = evaluate_model(&run, model)?;
    for (name, task) in &results.xldistill.tasks {
        for score in &task.measures {
            let confidence = &score.confidence;
            println!(
                "{name}\t{}\t{:.4}\t{:.4} to {:.4}",
                score.measure.key, score.score, confidence.low, confidence.high
            );
        }
    }
    eprintln!("the answers and scores are in {}", folder.display());
    Ok(())
}
