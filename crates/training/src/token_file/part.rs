//! A part of a token file: a fixed number of documents of the text, in two files.
//!
//! `part-NNNNN.tokens` holds the ids of each document, sequence after sequence, as little-endian
//! u32; `part-NNNNN.index` a u32 for each sequence, its length and in the highest bit whether it
//! was truncated. The index is written last.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use artefacts::{ArtefactError, AtomicFile};

use super::Tokens;

const TRUNCATED: u32 = 1 << 31;
const WORD: usize = size_of::<u32>();

/// Names of the files of part `number`: tokens, index.
pub(super) fn names(number: usize) -> [String; 2] {
    ["tokens", "index"].map(|ending| format!("part-{number:05}.{ending}"))
}

/// An entry of the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub length: u32,
    pub truncated: bool,
}

/// A finished part.
#[derive(Debug)]
pub(super) struct Part {
    tokens: Mutex<File>,
    tokens_path: PathBuf,
    index_path: PathBuf,
}

impl Part {
    /// Writes part `number`; returns its files' names with their hashes.
    pub fn write<const N: usize>(
        folder: &Path,
        number: usize,
        documents: &[[Tokens; N]],
    ) -> Result<[(String, String); 2], ArtefactError> {
        let [tokens_name, index_name] = names(number);
        let mut tokens = AtomicFile::create(&folder.join(&tokens_name))?;
        let mut index = AtomicFile::create(&folder.join(&index_name))?;
        for sequence in documents.iter().flatten() {
            let entry = sequence.ids.len() as u32 | if sequence.truncated { TRUNCATED } else { 0 };
            index.write(&entry.to_le_bytes())?;
            let bytes: Vec<u8> = sequence
                .ids
                .iter()
                .flat_map(|id| id.to_le_bytes())
                .collect();
            tokens.write(&bytes)?;
        }
        let tokens = (tokens_name, tokens.commit()?);
        Ok([tokens, (index_name, index.commit()?)])
    }

    /// Opens part `number`; `None` if it was not finished.
    pub fn open(folder: &Path, number: usize) -> Result<Option<Self>, ArtefactError> {
        let [tokens_path, index_path] = names(number).map(|name| folder.join(name));
        if !index_path.exists() {
            return Ok(None);
        }
        match File::open(&tokens_path) {
            Ok(tokens) => Ok(Some(Self {
                tokens: Mutex::new(tokens),
                tokens_path,
                index_path,
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ArtefactError::io("open", &tokens_path)(error)),
        }
    }

    /// The entries of each document.
    pub fn index<const N: usize>(&self) -> Result<Vec<[Entry; N]>, ArtefactError> {
        let path = &self.index_path;
        let bytes = std::fs::read(path).map_err(ArtefactError::io("read", path))?;
        let words = bytes.chunks_exact(WORD).map(word);
        let entries: Vec<Entry> = words
            .map(|word| Entry {
                length: word & !TRUNCATED,
                truncated: word & TRUNCATED != 0,
            })
            .collect();
        let documents = entries.chunks_exact(N).map(|entries| {
            let entries = <[Entry; N]>::try_from(entries);
            entries.expect("a chunk has N entries")
        });
        Ok(documents.collect())
    }

    /// `count` ids from number `start`.
    pub fn read(&self, start: u64, count: usize) -> Result<Vec<u32>, ArtefactError> {
        let mut bytes = vec![0; count * WORD];
        // A panic while the file is read leaves it at some position; the next read seeks anyway.
        let mut file = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start * WORD as u64))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(ArtefactError::io("read", &self.tokens_path))?;
        Ok(bytes.chunks_exact(WORD).map(word).collect())
    }

    /// The names of its files with their hashes.
    pub fn hashes(&self) -> Result<[(String, String); 2], ArtefactError> {
        let of = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Ok((name.into_owned(), artefacts::hash_file(path)?))
        };
        Ok([of(&self.tokens_path)?, of(&self.index_path)?])
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("a word has 4 bytes"))
}
