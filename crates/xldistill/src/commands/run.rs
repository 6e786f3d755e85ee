//! `xldistill run` and its stages by name.

use anyhow::Result;
use clap::ValueEnum;
use corpus::{
    progress::Progress,
    stage::{Manifest, Shard},
};

use crate::{
    arguments::{ConfigArguments, StageName},
    config::Config,
    config_file::ConfigError,
    pipeline::{self, Pipeline},
    terminal::Terminal,
};

/// Does the stages from `first` to `last`.
pub fn stages(
    arguments: &ConfigArguments,
    first: StageName,
    last: StageName,
    dry_run: bool,
    terminal: &Terminal,
) -> Result<()> {
    if first > last {
        let (first, last) = (pipeline::name(first), pipeline::name(last));
        return Err(ConfigError(format!("--from {first} comes after --until {last}")).into());
    }
    let config = Config::read(&arguments.config, &arguments.overrides)?;
    let shard = match &arguments.shard {
        Some(text) => text
            .parse()
            .map_err(|error| ConfigError(format!("--shard: {error}")))?,
        None => Shard::WHOLE,
    };
    let chosen = StageName::value_variants().iter().copied();
    let chosen = chosen.filter(|stage| (first..=last).contains(stage));
    let pipeline = Pipeline::new(&config, shard, terminal);
    if dry_run {
        println!("{}", toml::to_string_pretty(&config)?);
        for stage in chosen {
            println!("{:<12} {}", pipeline::name(stage), state(&pipeline, stage));
        }
        return Ok(());
    }
    for stage in chosen {
        // The other stages need all rows, which one shard alone does not have.
        if !shard.is_whole() && stage > StageName::CodeSwitch {
            terminal.note("run without --shard once every shard is done: the stages from mix on need all rows");
            break;
        }
        pipeline.stage(stage)?;
    }
    Ok(())
}

fn state(pipeline: &Pipeline, stage: StageName) -> String {
    let folder = pipeline.folder(stage);
    match (stage, Manifest::read(&folder)) {
        (StageName::Report, _) => "always written".to_owned(),
        (_, Ok(manifest)) => format!(
            "finished in {}: {} rows; done again only where something changed",
            folder.display(),
            manifest.counts.outputs
        ),
        (_, Err(_)) if folder.join("manifest.json").exists() => {
            format!("finished in {}", folder.display())
        }
        (_, Err(_)) if folder.exists() => {
            format!("unfinished in {}; goes on there", folder.display())
        }
        (_, Err(_)) => format!("to do, into {}", folder.display()),
    }
}
