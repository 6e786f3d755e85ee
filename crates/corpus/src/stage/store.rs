//! Results of rows that are done: where on the disk each can be found by the row's hash.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustc_hash::FxHashMap;

use super::StageError;

/// Identity of a row's result: 128 bits of the blake3 hash of the stage, its engines and
/// parameters, and the row's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RowHash([u8; 16]);

impl RowHash {
    /// The hash of a row, given as JSON, under a stage's fingerprint.
    pub fn of(fingerprint: &str, row: &[u8]) -> RowHash {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(fingerprint.as_bytes())
            .update(b"\n")
            .update(row);
        let hash = hasher.finalize();
        RowHash(
            hash.as_bytes()[..16]
                .try_into()
                .expect("a blake3 hash has 32 bytes"),
        )
    }

    /// The hash's bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for RowHash {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<RowHash, Self::Err> {
        u128::from_str_radix(text, 16).map(|number| RowHash(number.to_be_bytes()))
    }
}

/// How large a row's result is: the line that precedes it in a journal, and stands for it in a
/// finished stage's `rows.tsv`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// The row.
    pub hash: RowHash,
    /// Bytes of its output lines.
    pub output: u64,
    /// Bytes of its rejected lines.
    pub rejected: u64,
    /// Number of its rejected lines.
    pub rejections: u32,
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\t{}\t{}\t{}",
            self.hash, self.output, self.rejected, self.rejections
        )
    }
}

impl FromStr for Sizes {
    type Err = ();

    fn from_str(line: &str) -> Result<Sizes, ()> {
        let mut columns = line.split('\t');
        let mut column = || columns.next().ok_or(());
        let sizes = Sizes {
            hash: column()?.parse().map_err(drop)?,
            output: column()?.parse().map_err(drop)?,
            rejected: column()?.parse().map_err(drop)?,
            rejections: column()?.parse().map_err(drop)?,
        };
        if columns.next().is_none() {
            Ok(sizes)
        } else {
            Err(())
        }
    }
}

/// Where a row's result is.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// How large it is.
    pub sizes: Sizes,
    /// Number of the file with the output lines, and where they start.
    pub output: (u32, u64),
    /// The same of the rejected lines.
    pub rejected: (u32, u64),
}

/// Results by row hash, in any number of files.
#[derive(Default)]
pub struct Store {
    rows: FxHashMap<RowHash, Stored>,
    files: Vec<Extents>,
}

impl Store {
    /// Adds a file that results will be read from; returns its number.
    pub fn add_file(&mut self, path: &Path) -> Result<u32, StageError> {
        let file = File::open(path).map_err(StageError::io("open", path))?;
        let reader = BufReader::with_capacity(1 << 18, file);
        self.files.push(Extents {
            reader,
            position: 0,
            path: path.to_owned(),
        });
        Ok(self.files.len() as u32 - 1)
    }

    /// Adds the result of a row, or replaces it.
    pub fn insert(&mut self, stored: Stored) {
        self.rows.insert(stored.sizes.hash, stored);
    }

    /// The result of a row, if there is one.
    pub fn get(&self, hash: &RowHash) -> Option<Stored> {
        self.rows.get(hash).copied()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Appends a row's output lines to `output` and its rejected lines to `rejected`.
    pub fn read(
        &mut self,
        stored: &Stored,
        output: &mut Vec<u8>,
        rejected: &mut Vec<u8>,
    ) -> Result<(), StageError> {
        let (file, start) = stored.output;
        self.files[file as usize].read(start, stored.sizes.output, output)?;
        let (file, start) = stored.rejected;
        self.files[file as usize].read(start, stored.sizes.rejected, rejected)
    }
}

/// Reads pieces of a file; pieces that follow each other are read without seeking.
struct Extents {
    reader: BufReader<File>,
    position: u64,
    path: PathBuf,
}

impl Extents {
    fn read(&mut self, start: u64, bytes: u64, into: &mut Vec<u8>) -> Result<(), StageError> {
        if bytes == 0 {
            return Ok(());
        }
        self.try_read(start, bytes, into)
            .map_err(StageError::io("read", &self.path))
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
