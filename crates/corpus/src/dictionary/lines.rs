//! Dictionaries with an entry per line: TSV, CSV, or MUSE's format with a space between the two words.

use std::path::Path;

use super::glosses::words;
use super::{DictionaryError, Loaded};
use crate::source::kind::Kind;
use crate::source::{Text, delimited};

/// Reads `word TAB translation` (further columns are ignored), `word,translation` of a `.csv` file or
/// `word translation`; lines that begin with `#` are comments. A cell may hold several words:
/// `limão, lima (f)`.
pub(super) fn read(path: &Path, loaded: &mut Loaded) -> Result<(), DictionaryError> {
    let text = Text::read(path)?;
    if Kind::of(path) == Some(Kind::Commas) {
        for (_, cells) in delimited::csv_rows(&text, path)? {
            let cell = |place: usize| str::from_utf8(cells.get(place)?).ok();
            match cell(0).zip(cell(1)) {
                Some((word, translation)) => add(word, translation, loaded),
                None => loaded.malformed += 1,
            }
        }
        return Ok(());
    }
    for (_, line) in text.full_lines() {
        let Ok(line) = str::from_utf8(line) else {
            loaded.malformed += 1;
            continue;
        };
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let mut tabs = line.split('\t');
        match (tabs.next(), tabs.next()) {
            (Some(word), Some(translation)) => add(word, translation, loaded),
            _ => {
                let mut words = line.split_whitespace();
                match (words.next(), words.next(), words.next()) {
                    (Some(word), Some(translation), None) => loaded.entry(word, translation),
                    _ => loaded.malformed += 1,
                }
            }
        }
    }
    Ok(())
}

/// Adds every translation of every headword of two cells.
fn add(headwords: &str, translations: &str, loaded: &mut Loaded) {
    let (headwords, translations) = (words(headwords), words(translations));
    if headwords.is_empty() || translations.is_empty() {
        loaded.unused += 1;
    }
    for word in &headwords {
        for translation in &translations {
            loaded.entry(word, translation);
        }
    }
}
