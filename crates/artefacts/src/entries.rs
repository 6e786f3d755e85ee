//! Results of entries (rows, documents), found on disk by the hash of the entry.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustc_hash::FxHashMap;

use crate::{ArtefactError, Key};

/// Identity of an entry's result: 128 bits of the blake3 hash of the method's key and the entry's
/// content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EntryHash([u8; 16]);

impl EntryHash {
    /// The hash of an entry with `content` that is processed by `method`.
    pub fn of(method: &Key, content: &[u8]) -> EntryHash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(method.as_str().as_bytes());
        hasher.update(b"\n").update(content);
        let mut hash = [0; 16];
        hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        EntryHash(hash)
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for EntryHash {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<EntryHash, Self::Err> {
        u128::from_str_radix(text, 16).map(|number| EntryHash(number.to_be_bytes()))
    }
}

/// Sizes of an entry's result, which has `P` parts (e.g. output lines and rejected lines). As text,
/// the line that precedes the result in a journal, or its line in the index of a finished artefact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes<const P: usize> {
    /// Hash of the entry.
    pub hash: EntryHash,
    /// Size of each part in bytes.
    pub bytes: [u64; P],
}

impl<const P: usize> Sizes<P> {
    pub(crate) fn total(&self) -> Option<u64> {
        self.bytes
            .iter()
            .try_fold(0u64, |sum, &bytes| sum.checked_add(bytes))
    }
}

impl<const P: usize> fmt::Display for Sizes<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.hash)?;
        self.bytes
            .iter()
            .try_for_each(|bytes| write!(f, "\t{bytes}"))
    }
}

impl<const P: usize> FromStr for Sizes<P> {
    type Err = ();

    fn from_str(line: &str) -> Result<Sizes<P>, ()> {
        let (hash, bytes) = line.split_once('\t').ok_or(())?;
        Ok(Sizes {
            hash: hash.parse().map_err(drop)?,
            bytes: numbers(bytes).ok_or(())?,
        })
    }
}

/// `P` numbers separated by tabs.
fn numbers<const P: usize>(line: &str) -> Option<[u64; P]> {
    let numbers: Vec<u64> = line
        .split('\t')
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// Location of an entry's result.
#[derive(Clone, Copy, Debug)]
pub struct Stored<const P: usize> {
    /// Its sizes.
    pub sizes: Sizes<P>,
    /// Number of the file of each part, and offset in that file.
    pub(crate) places: [(u32, u64); P],
}

impl<const P: usize> Stored<P> {
    /// A result whose parts follow one another from `start`.
    pub(crate) fn consecutive(sizes: Sizes<P>, file: u32, mut start: u64) -> Stored<P> {
        let places = sizes.bytes.map(|bytes| {
            let place = (file, start);
            start += bytes;
            place
        });
        Stored { sizes, places }
    }
}

/// Results in any number of files, by hash.
#[derive(Default)]
pub struct Entries<const P: usize> {
    stored: FxHashMap<EntryHash, Stored<P>>,
    files: Vec<Extents>,
}

impl<const P: usize> Entries<P> {
    /// The result of an entry, if it exists.
    pub fn get(&self, hash: &EntryHash) -> Option<Stored<P>> {
        self.stored.get(hash).copied()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.stored.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    /// Appends the parts of a result to `into`.
    pub fn read(
        &mut self,
        stored: &Stored<P>,
        into: &mut [Vec<u8>; P],
    ) -> Result<(), ArtefactError> {
        let parts = stored.places.iter().zip(stored.sizes.bytes).zip(into);
        for ((&(file, start), bytes), into) in parts {
            self.files[file as usize].read(start, bytes, into)?;
        }
        Ok(())
    }

    /// Adds the entries of a finished artefact. Each of its `files` contains one part of all
    /// entries in order; its `index` has a line with the offset of the first entry in each file,
    /// then the [`Sizes`] of every entry. A missing index adds nothing.
    pub fn add_finished(&mut self, index: &Path, files: [&Path; P]) -> Result<(), ArtefactError> {
        let text = match std::fs::read_to_string(index) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(ArtefactError::io("read", index)(error)),
        };
        let mut numbered = [0; P];
        for (number, path) in numbered.iter_mut().zip(files) {
            *number = self.add_file(path)?;
        }
        let mut lines = text.lines();
        let Some(mut starts) = lines.next().and_then(numbers::<P>) else {
            return Ok(());
        };
        for sizes in lines.map_while(|line| line.parse::<Sizes<P>>().ok()) {
            let places = std::array::from_fn(|part| (numbered[part], starts[part]));
            self.insert(Stored { sizes, places });
            for (start, bytes) in starts.iter_mut().zip(sizes.bytes) {
                // In a damaged index, the end may lie beyond any file: what is there is made again.
                *start = start.saturating_add(bytes);
            }
        }
        Ok(())
    }

    /// Adds a file of results; returns its number.
    pub(crate) fn add_file(&mut self, path: &Path) -> Result<u32, ArtefactError> {
        let file = File::open(path).map_err(ArtefactError::io("open", path))?;
        self.files.push(Extents {
            reader: BufReader::with_capacity(1 << 18, file),
            position: 0,
            path: path.to_owned(),
        });
        Ok(self.files.len() as u32 - 1)
    }

    /// Adds the result of an entry, or replaces it.
    pub(crate) fn insert(&mut self, stored: Stored<P>) {
        self.stored.insert(stored.sizes.hash, stored);
    }
}

/// Reads pieces of a file; consecutive pieces are read without seeking.
struct Extents {
    reader: BufReader<File>,
    position: u64,
    path: PathBuf,
}

impl Extents {
    fn read(&mut self, start: u64, bytes: u64, into: &mut Vec<u8>) -> Result<(), ArtefactError> {
        if bytes == 0 {
            return Ok(());
        }
        self.try_read(start, bytes, into)
            .map_err(ArtefactError::io("read", &self.path))
    }

    fn try_read(&mut self, start: u64, bytes: u64, into: &mut Vec<u8>) -> io::Result<()> {
        match i64::try_from(i128::from(start) - i128::from(self.position)) {
            Ok(distance) => self.reader.seek_relative(distance)?,
            Err(_) => drop(self.reader.seek(SeekFrom::Start(start))?),
        }
        let read = (&mut self.reader).take(bytes).read_to_end(into)? as u64;
        self.position = start + read;
        if read == bytes {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
