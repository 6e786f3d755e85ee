//! Whatever bytes the files of a model hold: a model or an error, never a panic, and no more memory
//! than a few times the files. `XLDISTILL_FUZZ_ROUNDS` sets the number of rounds.

#[path = "../damage/mod.rs"]
mod damage;
mod json;
mod templates;
mod weights;

use proptest::test_runner::Config;

/// That many rounds, or as many as `XLDISTILL_FUZZ_ROUNDS` says.
pub fn rounds(usual: u32) -> Config {
    let asked = std::env::var("XLDISTILL_FUZZ_ROUNDS").ok();
    Config {
        cases: asked.map_or(usual, |rounds| rounds.parse().expect("a number of rounds")),
        failure_persistence: None,
        ..Config::default()
    }
}
