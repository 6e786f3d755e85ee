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
    let _lock = run_folder::lock(&run, &[&Evaluate, &Report])?;
    rescore(&run)?;
    let report: &dyn Stage<sdrrl::Config> = &Report;
    report.run(&run)
}
