//! `[text]`: plain text.

use corpus::language::Language;
use corpus::ranges::Ranges;
use corpus::source::plain_text::{TextOptions, TextSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[text]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Files of text, of which each document is a training item: a file, a folder or a pattern with
    /// `*` in its name; `{ path = "…", fields = ["…"] }` names the fields or columns with text. `.jsonl`,
    /// `.json`, `.parquet`, `.csv` and `.tsv` have `text`, or Alpaca's `instruction`, `input` and
    /// `output`, each of which is a document; other files have a document per line. All but Parquet may
    /// be compressed with gzip.
    pub files: Vec<TextSource>,
    /// Its language, which the LLM must know well.
    #[serde(default = "english")]
    pub language: Language,
    /// Number of documents to read; the rest are left out.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Leave out documents that are equal to an earlier one. Takes 16 bytes of memory per document.
    #[serde(default)]
    pub unique: bool,
    /// Share of unusable rows of a file above which the run stops.
    #[serde(default = "tenth")]
    pub max_rejected_fraction: f64,
}

fn english() -> Language {
    Language::ENGLISH
}

fn tenth() -> f64 {
    0.1
}

impl Text {
    /// How the files are read.
    pub fn options(&self) -> TextOptions {
        TextOptions {
            limit: self.limit,
            unique: self.unique,
            max_rejected_fraction: self.max_rejected_fraction,
        }
    }

    /// Checks everything but the files.
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.files.is_empty() {
            return Err("text.files: name at least one file".into());
        }
        let ranges = Ranges("text");
        let limit = self.limit.unwrap_or(u64::MAX);
        let all = "at least 1; leave it out to use all documents";
        let checked = ranges.check("limit", limit, limit > 0, all);
        let checked = checked
            .and_then(|()| ranges.share("max_rejected_fraction", self.max_rejected_fraction));
        checked.map_err(|error| error.to_string())
    }
}
