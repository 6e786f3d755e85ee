//! Kinds of data files, told by their names.

use std::path::Path;

use serde::Serialize;

use super::SourceError;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A text a line.
    Lines,
    /// A JSON array, or JSON lines.
    Json,
    /// JSON lines.
    JsonLines,
    /// Columns separated by tabs.
    Tabs,
    /// Columns separated by commas (RFC 4180).
    Commas,
    /// A Parquet table.
    Parquet,
    /// A translation memory.
    Tmx,
}

impl Kind {
    /// The kind of a file with this name; `None` for an unknown ending. `.gz` after the ending
    /// changes nothing.
    pub fn of(path: &Path) -> Option<Kind> {
        match ending(path).as_deref()? {
            "txt" => Some(Kind::Lines),
            "json" => Some(Kind::Json),
            "jsonl" | "ndjson" => Some(Kind::JsonLines),
            "tsv" | "tab" => Some(Kind::Tabs),
            "csv" => Some(Kind::Commas),
            "parquet" => Some(Kind::Parquet),
            "tmx" => Some(Kind::Tmx),
            _ => None,
        }
    }

    /// Whether a file of this kind has rows with named fields.
    pub fn has_fields(self) -> bool {
        !matches!(self, Kind::Lines | Kind::Tmx)
    }
}

/// Fails if the file's name is not that of a text with a sentence or passage per line, with the way
/// out: fields and separators would be taken for text.
pub fn check_lines(path: &Path) -> Result<(), SourceError> {
    check_name(path)?;
    let example = match Kind::of(path) {
        None | Some(Kind::Lines) => return Ok(()),
        Some(Kind::Json) => ", e.g. with jq -r '.[].text'",
        Some(Kind::JsonLines) => ", e.g. with jq -r .text",
        Some(Kind::Tabs) => ", e.g. with cut -f1",
        Some(Kind::Commas | Kind::Parquet | Kind::Tmx) => "",
    };
    Err(SourceError::Unreadable {
        path: path.to_owned(),
        what: format!(
            "no text file with a sentence or passage per line, as is needed here; write the texts \
             alone to a .txt file{example}"
        ),
    })
}

/// Fails if the file's name is that of a format that cannot be read, with the way out.
pub(crate) fn check_name(path: &Path) -> Result<(), SourceError> {
    let remedy = match ending(path).as_deref() {
        Some("arrow") => {
            "an Arrow file of `save_to_disk`; write the data set as Parquet: \
             datasets.load_from_disk(FOLDER).to_parquet(\"train.parquet\")"
        }
        Some("xlsx" | "xls" | "ods") => "a spreadsheet; export it as CSV in UTF-8",
        Some("zip" | "7z" | "tar" | "rar" | "tgz") => "an archive; unpack it first",
        Some("xz" | "bz2" | "zst" | "lz4") => {
            "compressed in a way that is not read; unpack it, or compress it with gzip"
        }
        _ => return Ok(()),
    };
    Err(SourceError::Unreadable {
        path: path.to_owned(),
        what: remedy.to_owned(),
    })
}

/// The ending of the name in lower case, without `.gz`.
fn ending(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let bare = name.strip_suffix(".gz").unwrap_or(&name);
    bare.rsplit_once('.').map(|(_, ending)| ending.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_by_the_ending() {
        let kind = |name: &str| Kind::of(Path::new(name));
        assert_eq!(kind("a/b.jsonl.gz"), Some(Kind::JsonLines));
        assert_eq!(kind("a.TXT"), Some(Kind::Lines));
        assert_eq!(kind("pairs.csv"), Some(Kind::Commas));
        assert_eq!((kind("tatoeba.eng"), kind("README")), (None, None));
    }

    #[test]
    fn a_table_is_no_text_with_a_sentence_per_line() {
        let refused = |name: &str| check_lines(Path::new(name)).unwrap_err().to_string();
        assert!(refused("a.tsv").contains("cut -f1"));
        assert!(refused("a.jsonl.gz").contains("jq -r .text"));
        assert!(refused("a.xlsx").contains("export it as CSV"));
        for name in ["a.txt", "a.txt.gz", "tatoeba.por", "flores.devtest"] {
            assert!(check_lines(Path::new(name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_format_that_is_not_read_has_a_remedy() {
        let remedy = |name: &str| check_name(Path::new(name)).unwrap_err().to_string();
        assert!(remedy("data.arrow").contains("to_parquet"));
        assert!(remedy("a.jsonl.zst").contains("gzip"));
        assert!(check_name(Path::new("a.tsv.gz")).is_ok());
    }
}
