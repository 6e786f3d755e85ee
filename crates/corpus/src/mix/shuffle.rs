//! Lines in the order of their sort keys, in memory that does not grow with their number.
//!
//! An external merge sort: what fills the buffer is sorted and set aside in a file of its own, and
//! the files are merged when everything is there.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::record::Subset;
use crate::stage::StageError;

/// Bytes of lines that are sorted in memory.
const BUFFER: usize = 16 << 20;

/// Bytes read or written at a time of a file that was set aside.
const BLOCK: usize = 1 << 18;

/// Lines on their way into a file in another order.
pub(super) struct Shuffle {
    path: PathBuf,
    buffer: usize,
    lines: Vec<u8>,
    /// What is in the buffer, with where its line begins.
    entries: Vec<(Entry, usize)>,
    runs: Vec<File>,
    next: u64,
}

/// A line's sort key, its number in the order of arrival, subset and length.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    number: u64,
    subset: Subset,
    length: u32,
}

impl Shuffle {
    /// An empty one; `path` is where its lines will be, and its own files stand beside it.
    pub(super) fn new(path: &Path) -> Shuffle {
        Shuffle {
            path: path.to_owned(),
            buffer: BUFFER,
            lines: Vec::new(),
            entries: Vec::new(),
            runs: Vec::new(),
            next: 0,
        }
    }

    /// Adds a line and returns its number.
    pub(super) fn add(&mut self, key: u64, subset: Subset, line: &[u8]) -> Result<u64, StageError> {
        if !self.entries.is_empty() && self.lines.len() + line.len() > self.buffer {
            self.set_aside()?;
        }
        let number = self.next;
        self.next += 1;
        let length = u32::try_from(line.len())
            .map_err(|_| StageError::Options("mix: an example has more than 4 GiB".to_owned()))?;
        let entry = Entry {
            key,
            number,
            subset,
            length,
        };
        self.entries.push((entry, self.lines.len()));
        self.lines.extend_from_slice(line);
        Ok(number)
    }

    /// Hands every line with its subset and number to `visit`, by key; equal keys by the line.
    pub(super) fn in_order(
        mut self,
        mut visit: impl FnMut(Subset, u64, &[u8]) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        if self.runs.is_empty() {
            self.sort();
            for &(entry, start) in &self.entries {
                let line = &self.lines[start..start + entry.length as usize];
                visit(entry.subset, entry.number, line)?;
            }
            return Ok(());
        }
        self.set_aside()?;
        (self.lines, self.entries) = Default::default();
        let path = self.run_path();
        let error = |e| StageError::io("read", &path)(e);
        let mut heads = BinaryHeap::new();
        for run in self.runs.drain(..) {
            let mut head = Head::of(run).map_err(error)?;
            if head.advance().map_err(error)? {
                heads.push(head);
            }
        }
        while let Some(mut head) = heads.pop() {
            visit(head.entry.subset, head.entry.number, &head.line)?;
            if head.advance().map_err(error)? {
                heads.push(head);
            }
        }
        Ok(())
    }

    fn sort(&mut self) {
        let line = |&(entry, start): &(Entry, usize)| &self.lines[start..][..entry.length as usize];
        self.entries
            .sort_unstable_by(|a, b| a.0.key.cmp(&b.0.key).then_with(|| line(a).cmp(line(b))));
    }

    /// Empties the buffer into a sorted file.
    fn set_aside(&mut self) -> Result<(), StageError> {
        self.sort();
        let path = self.run_path();
        let error = |e| StageError::io("write", &path)(e);
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(error)?;
        let mut writer = BufWriter::with_capacity(BLOCK, file);
        let written = self.entries.iter().try_for_each(|&(entry, start)| {
            entry.write(&mut writer)?;
            writer.write_all(&self.lines[start..][..entry.length as usize])
        });
        let file = written
            .and_then(|()| writer.into_inner().map_err(io::Error::from))
            .map_err(error)?;
        // The file lives on under its handle alone, so that a killed run leaves nothing behind.
        // Where a system cannot do that, the next run writes over it.
        let _ = fs::remove_file(&path);
        self.runs.push(file);
        self.lines.clear();
        self.entries.clear();
        Ok(())
    }

    /// Where the next file is set aside.
    fn run_path(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.incomplete", self.runs.len()));
        self.path.with_file_name(name)
    }
}

/// The first line of a sorted file that was not handed out yet.
struct Head {
    reader: BufReader<File>,
    entry: Entry,
    line: Vec<u8>,
}

impl Head {
    fn of(mut run: File) -> io::Result<Head> {
        run.rewind()?;
        Ok(Head {
            reader: BufReader::with_capacity(BLOCK, run),
            entry: Entry {
                key: 0,
                number: 0,
                subset: Subset::LL,
                length: 0,
            },
            line: Vec::new(),
        })
    }

    /// Goes on to the next line; false at the end of the file.
    fn advance(&mut self) -> io::Result<bool> {
        let Some(entry) = Entry::read(&mut self.reader)? else {
            return Ok(false);
        };
        self.entry = entry;
        self.line.resize(entry.length as usize, 0);
        self.reader.read_exact(&mut self.line)?;
        Ok(true)
    }
}

impl Ord for Head {
    /// The largest is the one to hand out first.
    fn cmp(&self, other: &Head) -> Ordering {
        (other.entry.key, &other.line).cmp(&(self.entry.key, &self.line))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

/// Bytes of an entry in a file.
const ENTRY: usize = 8 + 8 + 1 + 4;

impl Entry {
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let subset = Subset::ALL.iter().position(|&subset| subset == self.subset);
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(&self.key.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16] = subset.expect("all subsets are listed") as u8;
        bytes[17..].copy_from_slice(&self.length.to_le_bytes());
        to.write_all(&bytes)
    }

    /// The next entry; `None` at the end.
    fn read(from: &mut BufReader<File>) -> io::Result<Option<Entry>> {
        use std::io::BufRead;
        if from.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut bytes = [0; ENTRY];
        from.read_exact(&mut bytes)?;
        let number = |range: std::ops::Range<usize>| {
            u64::from_le_bytes(bytes[range].try_into().expect("eight bytes"))
        };
        let subset = Subset::ALL.get(bytes[16] as usize).copied();
        Ok(Some(Entry {
            key: number(0..8),
            number: number(8..16),
            subset: subset.ok_or(io::ErrorKind::InvalidData)?,
            length: u32::from_le_bytes(bytes[17..].try_into().expect("four bytes")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::shuffle_key;

    /// The lines of 1,000 additions with a buffer of `buffer` bytes, and how many files it took.
    fn shuffled(buffer: usize) -> (Vec<(Subset, u64, Vec<u8>)>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut shuffle = Shuffle::new(&folder.path().join("lines"));
        shuffle.buffer = buffer;
        for n in 0..1000 {
            let line = format!("line {n}{}", "!".repeat(n % 37));
            // Some keys are equal.
            let key = shuffle_key(0, "test", &(n / 2).to_string());
            let number = shuffle
                .add(key, Subset::ALL[n % 6], line.as_bytes())
                .unwrap();
            assert_eq!(number, n as u64);
        }
        let files = shuffle.runs.len();
        let mut lines = Vec::new();
        shuffle
            .in_order(|subset, number, line| {
                lines.push((subset, number, line.to_vec()));
                Ok(())
            })
            .unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        (lines, files)
    }

    #[test]
    fn the_buffer_does_not_change_the_order() {
        let (in_memory, none) = shuffled(BUFFER);
        assert_eq!((in_memory.len(), none), (1000, 0));
        let first: Vec<u64> = in_memory.iter().map(|line| line.1).take(4).collect();
        assert_ne!(first, [0, 1, 2, 3]);
        for (subset, number, line) in &in_memory {
            assert_eq!(*subset, Subset::ALL[*number as usize % 6]);
            assert!(line.starts_with(format!("line {number}").as_bytes()));
        }
        for buffer in [200, 3000] {
            let (merged, files) = shuffled(buffer);
            assert!(files > 5);
            assert!(merged == in_memory, "another order with {files} files");
        }
    }
}
