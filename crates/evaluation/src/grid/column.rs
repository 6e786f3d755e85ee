//! The languages of a table's columns.

use std::collections::BTreeSet;

/// A language of a table: its code, which test sets may have outside FLORES-200, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Whether it is not the language of training of classifiers, whose column comes first.
    pub is_other: bool,
    /// Its code, e.g. `deu_Latn` or `bbc`.
    pub code: String,
}

impl Column {
    /// The column of a language other than that of training.
    pub fn other(code: &str) -> Self {
        Self {
            is_other: true,
            code: code.to_owned(),
        }
    }
}

/// The languages as the papers write them, e.g. `POR`; by their whole code, if that is ambiguous.
pub fn headings(columns: &[Column]) -> Vec<String> {
    let short = |column: &Column| {
        let language = column.code.split('_').next().unwrap_or_default();
        language.to_uppercase()
    };
    let distinct: BTreeSet<String> = columns.iter().map(short).collect();
    let heading = |column: &Column| match distinct.len() == columns.len() {
        true => short(column),
        false => column.code.clone(),
    };
    columns.iter().map(heading).collect()
}
