//! `xldistill inspect`: what the model sees of each subset, and which part of it is learnt.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use burn::tensor::Device;
use corpus::{progress::Silent, stage::Shard};
use models::LanguageModel;

use crate::{arguments::ConfigArguments, pipeline::Pipeline};

/// Prints one decoded example of each subset, the supervised part marked: in colour on a terminal,
/// between ⟦ and ⟧ elsewhere.
pub fn run(arguments: &ConfigArguments) -> Result<()> {
    let config = arguments.read()?;
    let examples = Pipeline::new(&config, Shard::WHOLE, &Silent).transfer_set()?;
    let model = LanguageModel::load(&config.model, &Device::flex())?;
    let mut out = std::io::stdout().lock();
    let (open, close) = match out.is_terminal() {
        true => ("\x1b[1;32m", "\x1b[0m"),
        false => ("⟦", "⟧"),
    };
    for sample in training::inspect::samples(&model, &examples, &config.train)? {
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
