//! A grid of runs: methods and ablations × languages × models × seeds, each a config with
//! overrides. `xldistill grid` runs them over one store and writes the tables that compare them.

mod definition;
mod folder;

pub use definition::{Grid, GridRun, system};
pub use folder::{GridFolder, runs_in};
