//! `xldistill run` and its stages by name.

use anyhow::Result;
use clap::ValueEnum;
use corpus::{
    progress::Progress,
    stage::{Manifest, Shard},
};

use crate::{
    arguments::{ConfigArguments, StageName},
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
    let config = arguments.read()?;
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
    if !shard.is_whole() {
        return one_stage_of_a_shard(&pipeline, chosen.collect(), shard, arguments, terminal);
    }
    for stage in chosen {
        pipeline.stage(stage)?;
    }
    Ok(())
}

/// Does the first stage that is not merged yet, and says what is to be run next: every stage needs
/// all rows of the one before it.
fn one_stage_of_a_shard(
    pipeline: &Pipeline,
    chosen: Vec<StageName>,
    shard: Shard,
    arguments: &ConfigArguments,
    terminal: &Terminal,
) -> Result<()> {
    let merged = |stage: &StageName| Manifest::read(&pipeline.folder(*stage)).is_ok();
    let sharded = |stage: &StageName| *stage <= StageName::CodeSwitch;
    let next = match chosen[..] {
        [only] => Some(only),
        _ => chosen
            .iter()
            .copied()
            .find(|stage| sharded(stage) && !merged(stage)),
    };
    let config = arguments.config.display();
    let Some(stage) = next.filter(sharded) else {
        terminal.note(&format!(
            "nothing is left that has shards: `xldistill run {config} --from mix` does the rest"
        ));
        return Ok(());
    };
    pipeline.stage(stage)?;
    let name = stage.to_possible_value();
    let name = name.as_ref().map_or("", |name| name.get_name());
    let on_with = match chosen.last() {
        Some(last) if *last > stage && stage < StageName::CodeSwitch => {
            format!("; then this command with --shard {shard} does the next stage")
        }
        Some(last) if *last > stage => {
            format!("; then `xldistill run {config} --from mix` does the rest")
        }
        _ => String::new(),
    };
    terminal.note(&format!(
        "shard {shard} of {name} is done. Once all {} are, `xldistill {name} {config}` merges them{on_with}",
        shard.count()
    ));
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
