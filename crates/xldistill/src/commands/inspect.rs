//! `xldistill inspect`: shows an encoded example of each subset.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use burn::tensor::Device;
use corpus::{progress::Silent, stage::Shard};
use models::WeightForm;

use crate::{
    arguments::ConfigArguments,
    run::Run,
    sdrrl::{Config, stages::mix},
};

/// Prints a decoded example of each subset, with the supervised part in colour on a terminal, and
/// between ⟦ and ⟧ elsewhere.
pub fn run(arguments: &ConfigArguments) -> Result<()> {
    let config: Config = arguments.read()?;
    let run = Run::new(&config, Shard::WHOLE, &Silent);
    let examples = mix::transfer_set(&run)?;
    let model = run.language_model(&Device::flex(), WeightForm::Parameters)?;
    let mut out = std::io::stdout().lock();
    let (open, close) = match out.is_terminal() {
        true => ("\x1b[1;32m", "\x1b[0m"),
        false => ("⟦", "⟧"),
    };
    for sample in training::fine_tune::samples(&model, &examples, &config.train)? {
        writeln!(
            out,
            "── {}  {}  {} prompt tokens, {} supervised, weight {:.3}",
            sample.subset.name(),
            sample.id,
            sample.prompt_tokens,
            sample.supervised_tokens,
            sample.weight
        )?;
        writeln!(out, "{}{open}{}{close}\n", sample.prompt, sample.supervised)?;
    }
    Ok(())
}
