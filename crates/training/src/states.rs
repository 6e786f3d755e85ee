//! Hidden states on disk, for what is read more than once: rows of f32, some for each item.
//!
//! Two files of a folder hold them: `made_from.json`, written first, says what the states were made
//! from, and states from something else are refused; `rows.f32` is the rows, little-endian, one
//! after another. While they are computed, `chunks.txt` records how far that came, so that a killed
//! process loses one chunk; at the end the manifest takes its place.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use artefacts::{ArtefactError, Lock, MANIFEST_FILE, Manifest, Provenance};
use corpus::progress::Progress;
use serde::{Deserialize, Serialize};

use crate::run::differences;

const MADE_FROM: &str = "made_from.json";
const ROWS: &str = "rows.f32";
const CHUNKS: &str = "chunks.txt";

/// Items with rows that are computed together. The last bits of a state can depend on what shares its pass, so
/// that chunks are the same however often the work was interrupted.
const CHUNK: usize = 64;

const FLOAT: usize = size_of::<f32>();

/// Error returned when states cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StatesError {
    /// A file could not be read or written, or another process is making the states.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// The folder holds states of something else.
    #[error(
        "{} holds states made from other data or by another model: {differences}. Delete the folder, \
         or set another `output`", folder.display()
    )]
    MadeFromOthers {
        /// The folder.
        folder: PathBuf,
        /// The differences.
        differences: String,
    },
    /// The file is shorter than its manifest says.
    #[error("{} has {found} bytes instead of {expected}; delete its folder", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The size it was written with.
        expected: u64,
    },
}

/// The sizes of a file of states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Values in a row.
    pub width: usize,
    /// Rows of each item.
    pub rows: Vec<u32>,
}

impl Layout {
    /// `items` items of one row.
    pub fn one_row(width: usize, items: usize) -> Self {
        let rows = vec![1; items];
        Self { width, rows }
    }

    /// Size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        let rows: u64 = self.rows.iter().map(|&rows| u64::from(rows)).sum();
        rows * self.row_bytes()
    }

    /// The end of the chunk that begins at item `start`.
    fn chunk_end(&self, start: usize) -> usize {
        let with_rows = (start..self.rows.len()).filter(|&item| self.rows[item] > 0);
        with_rows
            .take(CHUNK)
            .last()
            .map_or(self.rows.len(), |last| last + 1)
    }

    fn row_bytes(&self) -> u64 {
        (self.width * FLOAT) as u64
    }

    /// The byte at which each item begins, and the end.
    fn offsets(&self) -> Vec<u64> {
        let mut end = 0;
        let ends = self.rows.iter().map(|&rows| {
            end += u64::from(rows) * self.row_bytes();
            end
        });
        [0].into_iter().chain(ends).collect()
    }
}

/// What the manifest of finished states says besides their origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    items: usize,
    width: usize,
    bytes: u64,
}

/// Finished states.
#[derive(Debug)]
pub struct States {
    file: Mutex<File>,
    path: PathBuf,
    width: usize,
    offsets: Vec<u64>,
}

impl States {
    /// The states in `folder`, computed by `compute` unless they are there: it receives a range of
    /// items and returns all their rows. `provenance` names the data and the model, whatever decides
    /// the values.
    ///
    /// A killed process resumes after its last complete chunk and ends with the same bytes.
    ///
    /// # Errors
    /// [`StatesError::MadeFromOthers`] if the folder holds states of another `provenance`.
    ///
    /// # Panics
    /// If `compute` returns another number of values than the layout asks for.
    pub fn make<E: From<StatesError>>(
        folder: &Path,
        provenance: &Provenance,
        layout: &Layout,
        mut compute: impl FnMut(Range<usize>) -> Result<Vec<f32>, E>,
        progress: &dyn Progress,
    ) -> Result<Self, E> {
        if Self::is_finished(folder, provenance)? {
            return Ok(Self::open(folder, layout)?);
        }
        fs::create_dir_all(folder)
            .map_err(|error| StatesError::from(ArtefactError::io("create", folder)(error)))?;
        let _lock = Lock::whole(folder).map_err(StatesError::from)?;
        let started = Instant::now();
        let mut writing = Writing::begin(folder, provenance, layout)?;
        let items = layout.rows.len();
        progress.begin(&provenance.stage, Some(items as u64));
        progress.already_done(writing.items as u64);
        while writing.items < items {
            let range = writing.items..layout.chunk_end(writing.items);
            let count = range.len();
            writing.append(&compute(range)?, count)?;
            progress.advance(count as u64);
        }
        progress.end();
        writing.finish(provenance, started.elapsed().as_secs_f64())?;
        Ok(Self::open(folder, layout)?)
    }

    /// From what the states in `folder` are made, finished or not; `None` if there are none.
    pub fn made_from(folder: &Path) -> Result<Option<Provenance>, StatesError> {
        let path = folder.join(MADE_FROM);
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArtefactError::io("read", &path)(error).into()),
        };
        // A torn file cannot be: it is written whole or not at all.
        let read = serde_json::from_slice(&json).map_err(|error| ArtefactError::Malformed {
            path,
            line: error.line() as u64,
            message: error.to_string(),
        });
        Ok(read?)
    }

    /// Whether the states in `folder` are finished; an error if they are those of something else.
    fn is_finished(folder: &Path, provenance: &Provenance) -> Result<bool, StatesError> {
        let Some(then) = Self::made_from(folder)? else {
            return Ok(false);
        };
        let differences = differences(&then, provenance);
        if !differences.is_empty() {
            return Err(StatesError::MadeFromOthers {
                folder: folder.to_owned(),
                differences: differences.join("; "),
            });
        }
        Ok(Manifest::<Counts>::read(&folder.join(MANIFEST_FILE))?.is_some())
    }

    fn open(folder: &Path, layout: &Layout) -> Result<Self, StatesError> {
        let path = folder.join(ROWS);
        let file = File::open(&path).map_err(ArtefactError::io("open", &path))?;
        let found = file.metadata().map_err(ArtefactError::io("read", &path))?;
        let (found, expected) = (found.len(), layout.bytes());
        if found != expected {
            return Err(StatesError::Damaged {
                path,
                found,
                expected,
            });
        }
        Ok(Self {
            file: Mutex::new(file),
            path,
            width: layout.width,
            offsets: layout.offsets(),
        })
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The rows of `item`, one after another.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn read(&self, item: usize) -> Result<Vec<f32>, StatesError> {
        let (start, end) = (self.offsets[item], self.offsets[item + 1]);
        let mut bytes = vec![0; (end - start) as usize];
        let mut file = self.file.lock().unwrap_or_else(|error| error.into_inner());
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(ArtefactError::io("read", &self.path))?;
        let value = |bytes: &[u8; FLOAT]| f32::from_le_bytes(*bytes);
        Ok(bytes.as_chunks().0.iter().map(value).collect())
    }
}

/// Unfinished states.
struct Writing {
    folder: PathBuf,
    rows: File,
    chunks: File,
    /// Number of items written.
    items: usize,
    offsets: Vec<u64>,
    width: usize,
}

impl Writing {
    /// Begins, or continues after the last complete chunk.
    fn begin(folder: &Path, provenance: &Provenance, layout: &Layout) -> Result<Self, StatesError> {
        let made_from = serde_json::to_vec_pretty(provenance).expect("a provenance is plain data");
        artefacts::write(&folder.join(MADE_FROM), &made_from)?;
        let open = |name: &str| {
            let path = folder.join(name);
            let options = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path);
            options.map_err(ArtefactError::io("open", &path))
        };
        let (mut rows, mut chunks) = (open(ROWS)?, open(CHUNKS)?);
        let offsets = layout.offsets();
        let broken = ArtefactError::io("continue", folder);
        let (items, recorded) = resume(&mut rows, &mut chunks, &offsets).map_err(broken)?;
        let cut = |file: &mut File, end: u64| -> std::io::Result<()> {
            file.set_len(end)?;
            file.seek(SeekFrom::End(0)).map(drop)
        };
        cut(&mut rows, offsets[items])
            .and_then(|()| cut(&mut chunks, recorded))
            .map_err(ArtefactError::io("continue", folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            rows,
            chunks,
            items,
            offsets,
            width: layout.width,
        })
    }

    /// Appends the rows of the next `count` items. The chunk is on disk before it is recorded.
    fn append(&mut self, values: &[f32], count: usize) -> Result<(), StatesError> {
        let (start, end) = (self.offsets[self.items], self.offsets[self.items + count]);
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(
            bytes.len() as u64,
            end - start,
            "bytes of a chunk of states"
        );
        let written = self
            .rows
            .write_all(&bytes)
            .and_then(|()| self.rows.sync_data());
        written.map_err(ArtefactError::io("write", &self.folder.join(ROWS)))?;
        self.items += count;
        let line = format!("{} {}\n", self.items, blake3::hash(&bytes).to_hex());
        let written = self.chunks.write_all(line.as_bytes());
        Ok(written.map_err(ArtefactError::io("write", &self.folder.join(CHUNKS)))?)
    }

    fn finish(self, provenance: &Provenance, seconds: f64) -> Result<(), StatesError> {
        let hash = artefacts::hash_file(&self.folder.join(ROWS))?;
        let counts = Counts {
            items: self.items,
            width: self.width,
            bytes: self.offsets[self.items],
        };
        let files = BTreeMap::from([(ROWS.to_owned(), hash)]);
        let manifest = Manifest::new(provenance.clone(), files, counts, seconds);
        manifest.write(&self.folder.join(MANIFEST_FILE))?;
        Ok(artefacts::remove(&self.folder.join(CHUNKS))?)
    }
}

/// The number of items whose chunks are whole, and the size of their records.
fn resume(rows: &mut File, chunks: &mut File, offsets: &[u64]) -> std::io::Result<(usize, u64)> {
    let mut text = Vec::new();
    chunks.read_to_end(&mut text)?;
    let (mut items, mut recorded) = (0, 0);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let Some((end, hash)) = chunk(line).filter(|(end, _)| (items..offsets.len()).contains(end))
        else {
            break;
        };
        let mut bytes = Vec::new();
        let length = offsets[end] - offsets[items];
        Read::take(&mut *rows, length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length || blake3::hash(&bytes) != hash {
            break;
        }
        items = end;
        recorded += line.len() as u64;
    }
    Ok((items, recorded))
}

/// The end of a chunk and its hash, if its record is whole.
fn chunk(line: &[u8]) -> Option<(usize, blake3::Hash)> {
    let (end, hash) = std::str::from_utf8(line)
        .ok()?
        .strip_suffix('\n')?
        .split_once(' ')?;
    Some((end.parse().ok()?, blake3::Hash::from_hex(hash).ok()?))
}

#[cfg(test)]
mod tests;
