//! `[data]`: the instructions and texts to learn from.

use std::collections::BTreeMap;

use corpus::file_path::FilePath;
use corpus::language::Language;
use corpus::source::ParallelSource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[data]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Files or folders of instructions in the source language: Alpaca, ShareGPT, chat `messages`
    /// or prompt/completion; `.json`, `.jsonl` or `.parquet`.
    pub instructions: Vec<FilePath>,
    /// Sentence pairs with each target language: a TSV file (source TAB target), a JSONL file with
    /// a key for each language, or `{ source = "…", target = "…" }` for two aligned files.
    #[serde(default)]
    pub parallel: BTreeMap<Language, ParallelSource>,
    /// Text in each target language alone, one sentence per line, for further completion tasks.
    #[serde(default)]
    pub monolingual: BTreeMap<Language, FilePath>,
    /// Maximum number of instructions.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Share of malformed rows above which the run stops.
    #[serde(default = "tenth")]
    pub max_rejected_fraction: f64,
}

fn tenth() -> f64 {
    0.1
}
