//! Runs a file's tests again with fewer instructions than the processor has.

use std::process::Command;

/// Runs all other tests of this executable at every SIMD level below the processor's best; `this`
/// is the name of the test that calls.
pub fn run_at_lower_levels(this: &str) {
    const VARIABLE: &str = "XLDISTILL_SIMD";
    let program = std::env::current_exe().expect("a running test is a file");
    for level in ["portable", "avx2", "avx512"] {
        let run = Command::new(&program)
            .args(["--skip", this])
            .env(VARIABLE, level)
            .output()
            .expect("the test can be run again");
        let output = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "at level {level}:\n{output}");
        assert!(output.contains("1 filtered out"), "{this} is not skipped");
    }
}
