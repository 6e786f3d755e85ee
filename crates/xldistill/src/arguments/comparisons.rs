//! Arguments of the commands that compare runs.

use std::path::PathBuf;

use clap::Args;
use models::ComputeDevice;

use super::{ConfigArguments, numbers};

/// `xldistill grid`
#[derive(Debug, Args)]
pub struct GridArguments {
    /// File of the grid (TOML)
    pub grid: PathBuf,
    /// Overrides of every run, e.g. train.epochs=2
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Device, overriding the config: cpu, vulkan, metal, cuda, rocm, wgpu; cuda:1
    #[arg(long)]
    pub device: Option<ComputeDevice>,
    /// List the runs and what they change, without running them
    #[arg(long)]
    pub dry_run: bool,
    /// Only write the tables of what is there
    #[arg(long, conflicts_with = "dry_run")]
    pub tables: bool,
}

impl GridArguments {
    /// The overrides with those of options.
    pub fn all_overrides(&self) -> Vec<String> {
        let device = self.device.map(|device| format!("device={device}"));
        self.overrides.iter().cloned().chain(device).collect()
    }
}

/// `xldistill compare`
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// Folders of runs, or of evaluations (with results.json); the first is compared with the others
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `xldistill inside`
#[derive(Debug, Args)]
pub struct InsideArguments {
    /// The config and overrides.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Maximum number of sentence pairs per language
    #[arg(long, default_value_t = 200, value_parser = numbers::count::<usize>)]
    pub limit: usize,
    /// Print a JSON object per language and model
    #[arg(long)]
    pub json: bool,
}
