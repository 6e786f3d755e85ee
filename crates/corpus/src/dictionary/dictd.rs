//! Dictionaries of the DICT server, as FreeDict publishes them: `NAME.index` gives the position of
//! an entry in `NAME.dict.dz` (gzip with a random-access table; also plain `NAME.dict`).

use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::glosses::{without_brackets, words};
use super::{DictionaryError, Loaded, read_file};

/// Headwords of entries about the dictionary itself.
const ABOUT: [&str; 2] = ["00database", "00-database"];

/// Maximum size of the unpacked text; the largest FreeDict dictionary has 60 MB.
const LARGEST: u64 = 1 << 30;

/// Reads the dictionary that the file `path` belongs to; `stem` is its name without the extension.
pub(super) fn read(path: &Path, stem: &str, loaded: &mut Loaded) -> Result<(), DictionaryError> {
    let beside = |extension: &str| path.with_file_name(format!("{stem}.{extension}"));
    let index = read_file(&beside("index"))?;
    let packed = beside("dict.dz");
    let text = if packed.exists() {
        unpack(&packed)?
    } else {
        read_file(&beside("dict"))?
    };
    for line in index
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        match entry(line, &text) {
            Some((headword, _)) if ABOUT.iter().any(|about| headword.starts_with(about)) => {}
            Some((headword, body)) => add(headword, body, loaded),
            None => loaded.malformed += 1,
        }
    }
    Ok(())
}

fn unpack(path: &Path) -> Result<Vec<u8>, DictionaryError> {
    let mut text = Vec::new();
    let unpacked = MultiGzDecoder::new(&read_file(path)?[..])
        .take(LARGEST)
        .read_to_end(&mut text);
    let result = unpacked.and_then(|length| match length as u64 {
        LARGEST => Err(io::Error::other("it unpacks to more than 1 GiB")),
        _ => Ok(()),
    });
    result.map_err(|e| DictionaryError::Format {
        path: path.to_owned(),
        message: format!("not a complete gzip file: {e}"),
    })?;
    Ok(text)
}

/// Headword and body of the entry that an index line points to.
fn entry<'a>(line: &'a [u8], text: &'a [u8]) -> Option<(&'a str, &'a str)> {
    let mut columns = str::from_utf8(line).ok()?.trim_end().split('\t');
    let headword = columns.next()?;
    let start = base64(columns.next()?)?;
    let length = base64(columns.next()?)?;
    let body = text.get(start..start.checked_add(length)?)?;
    Some((headword, str::from_utf8(body).ok()?))
}

/// A number in dictd's base 64: digits of six bits, most significant first.
fn base64(digits: &str) -> Option<usize> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut number = 0usize;
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|&d| d == digit)?;
        number = number.checked_mul(64)?.checked_add(value)?;
    }
    (!digits.is_empty()).then_some(number)
}

/// Adds the translations in the body of an entry: the lines after the headword, each a list of
/// translations, numbered if the word has several senses. Grammar, notes, examples and
/// cross-references are skipped.
fn add(headword: &str, body: &str, loaded: &mut Loaded) {
    for line in body.lines().skip(1) {
        let bare = without_brackets(line);
        let bare = bare.trim();
        if bare.is_empty() || bare.contains(':') || bare.starts_with(['"', '-', '→']) {
            continue;
        }
        for translation in words(line) {
            loaded.entry(headword, &translation);
        }
    }
}
