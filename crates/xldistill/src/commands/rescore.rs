//! `xldistill evaluate CONFIG --rescore`: the scores of saved outputs, computed again.

use std::path::Path;

use anyhow::{Result, ensure};
use corpus::stage::Shard;

use crate::arguments::ConfigArguments;
use crate::config_file::ConfigError;
use crate::report_stage::Report;
use crate::run::Run;
use crate::run_folder;
use crate::sdrrl;
use crate::sdrrl::stages::evaluate::{Evaluate, rescore};
use crate::stages::Stage;
use crate::system::SystemName;
use crate::terminal::Terminal;

/// Scores the outputs in the run's folder again, and writes the report.
pub fn run(arguments: &ConfigArguments, terminal: &Terminal) -> Result<()> {
    if arguments.system()? != SystemName::Sdrrl {
        let message = "--rescore: goes with configs of SDRRL; classifiers write labels, whose scores do not change";
        return Err(ConfigError(message.into()).into());
    }
    let config = arguments.read::<sdrrl::Config>()?;
    let output: &Path = &config.output;
    ensure!(
        output.is_dir(),
        "{}: no run whose outputs could be scored again",
        output.display()
    );
    let run = Run::new(&config, Shard::WHOLE, terminal);
    require_same_outputs(&run)?;
    let _lock = run_folder::lock(&run, &[&Evaluate, &Report])?;
    rescore(&run)?;
    let report: &dyn Stage<sdrrl::Config> = &Report;
    report.run(&run)
}

/// The keys that decide how outputs are scored or shown.
const SCORING: [&str; 7] = [
    "evaluate.copied_share",
    "evaluate.translation_answer",
    "evaluate.bleu_tokenizer",
    "evaluate.bleu_tokenizer_model",
    "evaluate.identify",
    "evaluate.comet",
    "report",
];

/// Fails if the config differs from that of the run in more than the scoring: the report would tell
/// of settings that the outputs were not made with. A key that an earlier program did not record is
/// none.
fn require_same_outputs(run: &Run<'_, sdrrl::Config>) -> Result<()> {
    let scores = |key: &str| {
        let is_of = |scoring: &&str| key == *scoring || key.starts_with(&format!("{scoring}."));
        SCORING.iter().any(is_of)
    };
    for (key, values) in run_folder::changed_keys(run)? {
        let (Some(value), false) = (&values[0], scores(&key)) else {
            continue;
        };
        let own = values[1].as_deref().unwrap_or("not set");
        let message = format!(
            "--rescore: the outputs were made with {key} = {value}, and it is {own} now; scores can be \
             made anew, outputs need `xldistill run`"
        );
        return Err(ConfigError(message).into());
    }
    Ok(())
}
