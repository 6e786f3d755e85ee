//! `xldistill doctor`: checks the machine, and everything that a run needs.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use corpus::{progress::Silent, stage::Shard};
use training::fine_tune::memory;

use crate::{
    arguments::ConfigArguments, checks::Checks, describe, disk, kept_training, run::Run,
    run_folder, stages, system::SystemConfig, systems::with_config, terminal::printed,
};

/// Prints a line per check; fails if a check failed.
pub fn run(config: Option<&ConfigArguments>) -> Result<()> {
    match config {
        Some(arguments) => with_config!(arguments, |config| check(Some(&config))),
        None => check::<crate::sdrrl::Config>(None),
    }
}

fn check<C: SystemConfig>(config: Option<&C>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut show = |what: &str, outcome: &Result<String>| {
        let line = match outcome {
            Ok(detail) if detail.is_empty() => format!("ok      {what}"),
            Ok(detail) => format!("ok      {what}: {detail}"),
            Err(error) => format!("FAILED  {what}: {}", describe(error)),
        };
        Ok(writeln!(out, "{}", printed(&line))?)
    };
    let mut checks = Checks::new(true, &mut show);
    checks.add("CPU", Ok(cpu()))?;
    if let Some(config) = config {
        let run = Run::new(config, Shard::WHOLE, &Silent);
        for stage in stages::of(config) {
            stage.check(&run, &mut checks)?;
        }
        let folder = run_folder::check(&run).and_then(|()| output(config.output()));
        checks.add("output folder", folder)?;
        let trained = kept_training::check(&run, &stages::of(config));
        checks.add(
            "earlier training",
            trained.map(|()| "none in the way".to_owned()),
        )?;
    }
    checks.finish()
}

fn cpu() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut features = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("AVX2", is_x86_feature_detected!("avx2")),
            ("FMA", is_x86_feature_detected!("fma")),
            ("AVX-512", is_x86_feature_detected!("avx512f")),
            ("AVX-512 BF16", is_x86_feature_detected!("avx512bf16")),
            ("AVX-512 VNNI", is_x86_feature_detected!("avx512vnni")),
        ];
        features.extend(
            known
                .iter()
                .filter(|(_, found)| *found)
                .map(|(name, _)| *name),
        );
    }
    if features.is_empty() {
        features.push("portable kernels");
    }
    format!("{threads} threads, {}", features.join(", "))
}

fn output(folder: &Path) -> Result<String> {
    let existing = disk::existing(folder);
    tempfile::tempfile_in(existing)?;
    let free = disk::free(folder).map_or(String::new(), |free| {
        format!("; {} are free", memory::gigabytes(free))
    });
    Ok(format!("{} can be written to{free}", folder.display()))
}
