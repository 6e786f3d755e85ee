//! The induced dictionary of a run, made once and kept beside the stage's rows.
//!
//! ```text
//! induced.por_Latn.tsv    # key and hash of the pairs, then a pair a line: word TAB translation
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::dictionary::induced::{pairs, vocabulary};
use crate::dictionary::{BilingualDictionary, DictionaryError};
use crate::language::Language;
use crate::record::Translated;
use crate::seam::{EngineError, EngineIdentity, Translator};
use crate::stage::{Inputs, StageError};

/// Most words of the questions that a dictionary is induced for.
const MAX_WORDS: usize = 20_000;

/// Raised whenever the way dictionaries are induced changes.
const VERSION: u32 = 1;

/// What the first line of the file begins with.
const HEADER: &str = "# induced ";

/// Why no dictionary could be induced.
#[derive(Debug, thiserror::Error)]
pub enum InduceError {
    /// A translator failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The rows could not be read.
    #[error(transparent)]
    Rows(#[from] StageError),
    /// The dictionary could not be kept.
    #[error(transparent)]
    File(#[from] DictionaryError),
}

/// The dictionary of the most frequent words of all questions: read from `folder` where the same
/// questions and translators made the one that is there, else induced and written there.
pub fn dictionary(
    inputs: &Inputs<'_, Translated>,
    forward: &dyn Translator,
    backward: &dyn Translator,
    from: Language,
    to: Language,
    folder: &Path,
) -> Result<BilingualDictionary, InduceError> {
    let path = folder.join(format!("induced.{to}.tsv"));
    let key = key(inputs, [forward, backward], from, to)?;
    if let Some(pairs) = kept(&path, &key) {
        return Ok(BilingualDictionary::from_pairs(&pairs));
    }
    let mut questions = Vec::new();
    for row in inputs.iter()? {
        questions.push(row?.question.source);
    }
    let words = vocabulary(questions.iter().map(String::as_str), from, MAX_WORDS);
    let pairs = pairs(forward, backward, &words, from, to)?;
    keep(&path, &key, &pairs)?;
    Ok(BilingualDictionary::from_pairs(&pairs))
}

/// Hash of everything the dictionary depends on.
fn key(
    inputs: &Inputs<'_, Translated>,
    translators: [&dyn Translator; 2],
    from: Language,
    to: Language,
) -> Result<String, StageError> {
    let identities = translators.map(|translator| EngineIdentity {
        licence: None,
        ..translator.identity()
    });
    let made_of = serde_json::json!([
        VERSION,
        MAX_WORDS,
        inputs.content_hash()?,
        identities,
        from,
        to
    ]);
    Ok(short_hash(made_of.to_string().as_bytes()))
}

fn short_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

fn header(key: &str, body: &str) -> String {
    format!("{HEADER}{key} {}\n", short_hash(body.as_bytes()))
}

/// The pairs in the file, if it is of this key and as it was written.
fn kept(path: &Path, key: &str) -> Option<Vec<(String, String)>> {
    let text = fs::read_to_string(path).ok()?;
    let (_, body) = text.split_once('\n')?;
    if !text.starts_with(&header(key, body)) {
        return None;
    }
    let pairs = body.lines().map(|line| {
        let (word, translation) = line.split_once('\t')?;
        Some((word.to_owned(), translation.to_owned()))
    });
    pairs.collect()
}

/// Puts the file in its place, whole or not at all. Several shards may do so at once.
fn keep(path: &Path, key: &str, pairs: &[(String, String)]) -> Result<(), DictionaryError> {
    let lines = pairs
        .iter()
        .map(|(word, translation)| format!("{word}\t{translation}\n"));
    let body: String = lines.collect();
    let temporary = path.with_extension(format!("{}.incomplete", std::process::id()));
    let failed = |path: PathBuf| move |source| DictionaryError::Io { path, source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed(folder.to_owned()))?;
    }
    fs::write(&temporary, header(key, &body) + &body).map_err(failed(temporary.clone()))?;
    fs::rename(&temporary, path).map_err(failed(path.to_owned()))
}
