//! Labels as files write them: by name, by number, or in a file of their own.

use std::collections::HashMap;
use std::path::Path;

use super::LabelledError;
use crate::source::{SourceError, Text, utf8};

/// What a label cell says.
#[derive(Debug, PartialEq)]
pub enum Gold {
    /// Nothing: empty or, unless a label has that name, `-` (no agreement among annotators) or -1.
    Missing,
    /// A label of the data set, by name.
    Named(String),
    /// Something else.
    Unknown,
}

/// The label that `written` means among `known`, the names in the order of their numbers, of which
/// the first has the number `first`. Without known names, every text is a name.
pub fn gold(written: &str, known: &[String], first: usize) -> Gold {
    let written = written.trim();
    let exact = |label: &str| known.iter().find(|name| *name == label);
    if let Some(name) = exact(written) {
        return Gold::Named(name.clone());
    }
    if written.is_empty() {
        return Gold::Missing;
    }
    // Sentiment is often -1, 0 and 1: without names given, every text is one.
    if known.is_empty() {
        return Gold::Named(written.to_owned());
    }
    if matches!(written, "-" | "-1") {
        return Gold::Missing;
    }
    // pandas writes a column of numbers with gaps as 0.0, 1.0, ….
    let number = written.strip_suffix(".0").unwrap_or(written);
    let same = |name: &&String| name.trim().to_lowercase() == written.to_lowercase();
    // Where names are numbers, another number is no place among them.
    let places = known.iter().all(|name| name.trim().parse::<f64>().is_err());
    let placed = || known.get(number.parse::<usize>().ok()?.checked_sub(first)?);
    let found = (exact(number).or_else(|| known.iter().find(same)))
        .or_else(|| places.then(placed).flatten());
    found.map_or(Gold::Unknown, |name| Gold::Named(name.clone()))
}

/// The answers to choose from, as labels: `1`, `2`, ….
pub fn choice_labels(choices: usize) -> Vec<String> {
    (1..=choices).map(|number| number.to_string()).collect()
}

/// Labels that a file holds for the rows of another one.
pub struct LabelFile(HashMap<usize, String>);

impl LabelFile {
    /// Reads `path`: row number (from 0, without the header) TAB label, or one label a line for all
    /// `rows` rows. A first line `row TAB label` or `label` is a header.
    ///
    /// # Errors
    /// [`LabelledError::LabelFile`] for a line of another form, a row twice or out of range, or another number of
    /// labels than rows.
    pub fn read(path: &Path, rows: usize) -> Result<LabelFile, LabelledError> {
        let text = Text::read(path)?;
        let fault = |line: u64, message: String| LabelledError::LabelFile {
            path: path.to_owned(),
            line,
            message,
        };
        let mut labels = HashMap::new();
        let mut numbered = false;
        for (line, bytes) in text.full_lines() {
            let cells = utf8(bytes).map_err(|broken| fault(line, broken.detail))?;
            let cells: Vec<&str> = cells.trim_end().split('\t').map(str::trim).collect();
            let before = labels.len();
            let row = match cells[..] {
                ["row" | "id" | "index", "label"] | ["label"] if before == 0 => continue,
                [row, _] => {
                    numbered = true;
                    row.parse().ok().filter(|row| *row < rows)
                }
                [_] => Some(before),
                _ => None,
            };
            let label = cells.last().copied().unwrap_or_default();
            match row {
                Some(row) if labels.insert(row, label.to_owned()).is_none() => {}
                Some(row) => return Err(fault(line, format!("row {row} already has a label"))),
                None => {
                    return Err(fault(
                        line,
                        format!("not a row number below {rows} TAB a label, nor a single label"),
                    ));
                }
            }
        }
        match (labels.len(), numbered) {
            (0, _) => Err(SourceError::Empty {
                path: path.to_owned(),
            }
            .into()),
            (count, false) if count != rows => Err(fault(
                count as u64,
                format!("{count} labels for {rows} rows; number them: row TAB label"),
            )),
            _ => Ok(LabelFile(labels)),
        }
    }

    /// The label of a row.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.0.get(&row).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_by_name_and_by_number() {
        let known = ["negative", "positive"].map(str::to_owned);
        let named = |written| gold(written, &known, 0);
        assert_eq!(named("positive"), Gold::Named("positive".into()));
        assert_eq!(named(" Negative "), Gold::Named("negative".into()));
        assert_eq!(named("1"), Gold::Named("positive".into()));
        assert_eq!(named("0.0"), Gold::Named("negative".into()));
        let spaced = [" negative", "positive "].map(str::to_owned);
        assert_eq!(
            gold("Positive", &spaced, 0),
            Gold::Named("positive ".into())
        );
        assert_eq!(
            (named("2"), named("neutral")),
            (Gold::Unknown, Gold::Unknown)
        );
        assert_eq!((named("-1"), named("")), (Gold::Missing, Gold::Missing));
    }

    #[test]
    fn labels_that_are_numbers_are_names() {
        let known = ["-1", "0", "1"].map(str::to_owned);
        let named = |written| gold(written, &known, 0);
        assert_eq!(named("-1"), Gold::Named("-1".into()));
        assert_eq!(named("0.0"), Gold::Named("0".into()));
        assert_eq!((named("2"), named("")), (Gold::Unknown, Gold::Missing));
        // 0 is no place in a list of numbers.
        let grades = ["1", "2"].map(str::to_owned);
        assert_eq!(gold("0", &grades, 0), Gold::Unknown);
        for label in ["-1", "-"] {
            assert_eq!(gold(label, &[], 0), Gold::Named(label.into()));
        }
        assert_eq!(gold(" ", &[], 0), Gold::Missing);
    }

    #[test]
    fn answers_are_numbered_from_one() {
        let known = choice_labels(4);
        assert_eq!(gold("4", &known, 1), Gold::Named("4".into()));
        assert_eq!(gold("0", &known, 1), Gold::Unknown);
        assert_eq!(gold("5", &known, 1), Gold::Unknown);
    }
}
