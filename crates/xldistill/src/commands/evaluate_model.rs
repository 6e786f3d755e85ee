//! `xldistill evaluate CONFIG --model PATH`: any model on the material of a config.

use std::io::Write;

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
use crate::terminal::{Terminal, columns};

/// Evaluates `model` and prints its scores with 95 % intervals: for a terminal by task, otherwise one
/// per line, with the names that `results.json` has.
pub fn run(arguments: &ConfigArguments, model: &ModelRef, terminal: &Terminal) -> Result<()> {
    model.check().map_err(anyhow::Error::msg)?;
    if arguments.system()? != SystemName::Sdrrl {
        let message =
            "--model: goes with configs of SDRRL; `predict` and `score` evaluate classifiers";
        return Err(ConfigError(message.into()).into());
    }
    let config = arguments.read::<sdrrl::Config>()?;
    let run = Run::new(&config, Shard::WHOLE, terminal);
    let mut failed = |what: &str, outcome: &Result<String>| match outcome {
        Ok(_) => Ok(()),
        Err(error) => anyhow::bail!("{what}: {}", crate::describe(error)),
    };
    Evaluate.check(&run, &mut Checks::new(false, &mut failed))?;
    let (folder, results) = evaluate_model(&run, model)?;
    let mut out = std::io::stdout().lock();
    let for_people = columns().is_some();
    for (name, task) in &results.xldistill.tasks {
        if for_people {
            writeln!(out, "{} ({name})", task.presentation.title)?;
        }
        for score in &task.measures {
            let (measure, at) = (&score.measure, &score.confidence);
            match for_people {
                true => writeln!(
                    out,
                    "  {:<40} {:>8.2}  {:.2} to {:.2}",
                    measure.name, score.score, at.low, at.high
                ),
                false => writeln!(
                    out,
                    "{name}\t{}\t{:.4}\t{:.4} to {:.4}",
                    measure.key, score.score, at.low, at.high
                ),
            }?;
        }
    }
    eprintln!("the answers and scores are in {}", folder.display());
    Ok(())
}
