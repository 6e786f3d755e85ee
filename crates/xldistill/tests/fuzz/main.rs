//! Fuzzing: whatever the files of others hold, every reader gives a result or an error; it never
//! panics, aborts, hangs or asks for memory out of proportion.
//!
//! Ordinary tests try a fixed number of inputs. `XLDISTILL_FUZZ_SECONDS=600` gives every reader so
//! much time instead and other inputs each time (`XLDISTILL_FUZZ_SEED` repeats them). Name a reader
//! to run it alone: `cargo test --test fuzz -- gguf`. Inputs that fail are kept in
//! `target/tmp/fuzz/READER`; one that ended the process is in `now`.

mod bytes;
mod chance;
mod formats;
mod json;
mod memory;
mod readers;
mod runner;
mod text;
#[path = "../tiny_run/mod.rs"]
mod tiny_run;
