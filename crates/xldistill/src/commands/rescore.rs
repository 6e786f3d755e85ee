//! `xldistill evaluate CONFIG --rescore`: the scores of saved outputs, computed again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use corpus::stage::Shard;

use crate::arguments::ConfigArguments;
use crate::config_file::{self, ConfigError};
use crate::report_stage::Report;
use crate::run::Run;
use crate::run_folder::{self, CONFIG_FILE};
use crate::sdrrl;
use crate::sdrrl::stages::evaluate::{Evaluate, rescore};
use crate::stages::Stage;
use crate::system::SystemName;
use crate::terminal::Terminal;
use toml::Table;

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

/// The keys that decide how outputs are scored or shown, and those that say where the run is.
const SCORING: [&str; 10] = [
    "evaluate.copied_share",
    "evaluate.translation_answer",
    "evaluate.bleu_tokenizer",
    "evaluate.bleu_tokenizer_model",
    "evaluate.identify",
    "evaluate.comet",
    "report",
    "output",
    "store",
    "device",
];

/// Fails if the config differs from that of the run in more than the scoring: the report would tell
/// of settings that the outputs were not made with.
fn require_same_outputs(run: &Run<'_, sdrrl::Config>) -> Result<()> {
    let recorded = std::fs::read_to_string(run.config.output.join(CONFIG_FILE)).unwrap_or_default();
    let flat = |text: &str| -> Result<BTreeMap<String, String>> {
        let table: Table = toml::from_str(text)?;
        Ok(config_file::flat(&table).into_iter().collect())
    };
    let (recorded, now) = (flat(&recorded)?, flat(&run.config_text()?)?);
    let scores = |key: &str| {
        let is_of = |scoring: &&str| key == *scoring || key.starts_with(&format!("{scoring}."));
        SCORING.iter().any(is_of)
    };
    for (key, value) in recorded.iter().filter(|(key, _)| !scores(key)) {
        let own = now.get(key).map_or("not set", String::as_str);
        if own != value {
            let message = format!(
                "--rescore: the outputs were made with {key} = {value}, and it is {own} now; scores can be \
                 made anew, outputs need `xldistill run`"
            );
            return Err(ConfigError(message).into());
        }
    }
    Ok(())
}
