//! Dictionaries with one pair per line: TSV, or MUSE's format with a space between the two words.

use std::path::Path;

use super::{DictionaryError, Loaded, read_file};

/// Reads `word TAB translation` (further columns are ignored) or `word translation`; lines that
/// begin with `#` are comments.
pub(super) fn read(path: &Path, loaded: &mut Loaded) -> Result<(), DictionaryError> {
    let bytes = read_file(path)?;
    for line in bytes.split(|&byte| byte == b'\n') {
        let Ok(line) = str::from_utf8(line) else {
            loaded.malformed += 1;
            continue;
        };
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut tabs = line.split('\t');
        match (tabs.next(), tabs.next()) {
            (Some(word), Some(translation)) => loaded.entry(word, translation),
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
