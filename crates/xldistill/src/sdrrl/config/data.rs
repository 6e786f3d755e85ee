//! `[data]`: the instructions and texts to learn from.

use std::collections::BTreeMap;

use corpus::file_path::FilePath;
use corpus::language::Language;
use corpus::source::{Columns, ParallelSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[data]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Files or folders of instructions in the source language: `.json`, `.jsonl`, `.parquet`, `.csv`
    /// or `.tsv`, all but Parquet also compressed with gzip. Questions and answers may be in any of
    /// the usual columns (`instruction` or `prompt` and `output`, `completion` or `response`;
    /// `question` and `answer`; …) or turns of `conversations` or `messages`. In a folder, files named
    /// as a test or validation split are left out.
    pub instructions: Vec<FilePath>,
    /// Names of the columns of the instructions, if they are not among the usual ones. The names are
    /// those of LLaMA-Factory's `dataset_info.json`, which is read, too, if it is beside the file.
    #[serde(default)]
    pub columns: Columns,
    /// Sentence pairs with each target language: a file (source TAB target; CSV; JSON Lines or
    /// Parquet with a key for each language; TMX; all but Parquet also compressed with gzip),
    /// `{ path = "…", columns = [2, 4] }` for other columns, `{ source = "…", target = "…" }` for
    /// two aligned files, or a list of these.
    #[serde(default)]
    pub parallel: BTreeMap<Language, ParallelSource>,
    /// Text in each target language alone, one sentence per line, for further completion tasks: a
    /// text file, also compressed with gzip.
    #[serde(default)]
    pub monolingual: BTreeMap<Language, FilePath>,
    /// Maximum number of instructions.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Share of a file's rows, pairs or lines that cannot be used (malformed, wrongly encoded, in
    /// another language) above which the run stops.
    #[serde(default = "tenth")]
    pub max_rejected_fraction: f64,
}

fn tenth() -> f64 {
    0.1
}
