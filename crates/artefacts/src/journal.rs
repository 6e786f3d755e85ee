//! The journal of unfinished work: append-only, with a checksummed record for each batch of
//! entries.
//!
//! ```text
//! chunk ENTRIES BYTES MICROSECONDS HASH   of the BYTES bytes that follow
//! ENTRYHASH SIZE SIZE                     sizes of the first entry's parts (tab-separated)
//! …the parts, one after another…
//! ENTRYHASH …
//! ```
//!
//! A killed process leaves at most one incomplete record, at the end. Opening the journal truncates
//! it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::ArtefactError;
use crate::entries::{Entries, EntryHash, Sizes, Stored};

/// Maximum length of the first line of a record: three numbers of up to 20 digits and a hash.
const LONGEST_HEADER: u64 = 160;

/// A journal of entries whose results have `P` parts.
pub struct Journal<const P: usize> {
    file: File,
    path: PathBuf,
    end: u64,
    file_number: u32,
    sync_interval: Duration,
    synced: Instant,
    /// The finished entries.
    pub entries: Entries<P>,
    /// Time spent on them, over all runs.
    pub worked: Duration,
    /// Number of bytes of an incomplete record that were truncated.
    pub discarded: u64,
}

impl<const P: usize> Journal<P> {
    /// Opens the journal at `path`, or begins one; truncates an incomplete record.
    ///
    /// Records are synced to disk at most `sync_interval` after they were written, which limits the
    /// loss in a power failure; a killed process loses no records.
    pub fn open(path: &Path, sync_interval: Duration) -> Result<Journal<P>, ArtefactError> {
        let mut options = OpenOptions::new();
        let opened = options.create(true).truncate(false).write(true).open(path);
        let mut file = opened.map_err(ArtefactError::io("open", path))?;
        let mut entries = Entries::default();
        let scanned = entries.add_journal(path)?;
        let length = file.metadata().map_err(ArtefactError::io("read", path))?;
        let length = length.len();
        if scanned.end < length {
            file.set_len(scanned.end)
                .map_err(ArtefactError::io("truncate", path))?;
        }
        file.seek(SeekFrom::Start(scanned.end))
            .map_err(ArtefactError::io("read", path))?;
        Ok(Journal {
            file,
            path: path.to_owned(),
            end: scanned.end,
            file_number: scanned.file_number,
            sync_interval,
            synced: Instant::now(),
            entries,
            worked: scanned.worked,
            discarded: length - scanned.end,
        })
    }

    /// Appends a record, on which `worked` was spent; its entries are then finished.
    pub fn commit(&mut self, record: Record<P>, worked: Duration) -> Result<(), ArtefactError> {
        let Record { payload, entries } = record;
        let hash = blake3::hash(&payload).to_hex();
        let header = format!(
            "chunk {} {} {} {hash}\n",
            entries.len(),
            payload.len(),
            worked.as_micros()
        );
        let payload_start = self.end + header.len() as u64;
        self.file
            .write_all(header.as_bytes())
            .and_then(|()| self.file.write_all(&payload))
            .map_err(ArtefactError::io("write", &self.path))?;
        for (sizes, offset) in entries {
            let start = payload_start + offset;
            self.entries
                .insert(Stored::consecutive(sizes, self.file_number, start));
        }
        self.end = payload_start + payload.len() as u64;
        self.worked += worked;
        if self.synced.elapsed() >= self.sync_interval {
            self.file
                .sync_data()
                .map_err(ArtefactError::io("write", &self.path))?;
            self.synced = Instant::now();
        }
        Ok(())
    }
}

/// Results to be appended to a journal.
#[derive(Default)]
pub struct Record<const P: usize> {
    payload: Vec<u8>,
    /// Sizes of every entry, and offset of its first part in the payload.
    entries: Vec<(Sizes<P>, u64)>,
}

impl<const P: usize> Record<P> {
    /// Adds the result of an entry.
    pub fn add(&mut self, hash: EntryHash, parts: &[Vec<u8>; P]) {
        let bytes = std::array::from_fn(|part| parts[part].len() as u64);
        let sizes = Sizes { hash, bytes };
        writeln!(self.payload, "{sizes}").expect("writing to memory does not fail");
        self.entries.push((sizes, self.payload.len() as u64));
        for part in parts {
            self.payload.extend_from_slice(part);
        }
    }

    /// Appends the entries of `other`.
    pub fn append(&mut self, other: Record<P>) {
        let before = self.payload.len() as u64;
        self.payload.extend_from_slice(&other.payload);
        let entries = other.entries.into_iter();
        self.entries
            .extend(entries.map(|(sizes, start)| (sizes, before + start)));
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The content of a journal.
pub struct Scanned {
    /// End of the last complete record.
    end: u64,
    /// Time spent on its entries.
    worked: Duration,
    /// Its number among the files of the entries.
    file_number: u32,
}

impl<const P: usize> Entries<P> {
    /// Adds the entries of all complete records of the journal at `path`.
    pub fn add_journal(&mut self, path: &Path) -> Result<Scanned, ArtefactError> {
        let file_number = self.add_file(path)?;
        let opened = File::open(path).map_err(ArtefactError::io("open", path))?;
        let length = opened.metadata().map_err(ArtefactError::io("read", path))?;
        let length = length.len();
        let mut reader = BufReader::with_capacity(1 << 20, opened);
        let mut scanned = Scanned {
            end: 0,
            worked: Duration::ZERO,
            file_number,
        };
        let (mut line, mut payload) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            let read = (&mut reader)
                .take(LONGEST_HEADER)
                .read_until(b'\n', &mut line);
            read.map_err(ArtefactError::io("read", path))?;
            let start = scanned.end + line.len() as u64;
            let Some(header) = Header::parse(&line).filter(|h| h.bytes <= length - start) else {
                return Ok(scanned);
            };
            payload.clear();
            let read = (&mut reader).take(header.bytes).read_to_end(&mut payload);
            read.map_err(ArtefactError::io("read", path))?;
            if blake3::hash(&payload) != header.hash {
                return Ok(scanned);
            }
            let Some(entries) = entries(&payload, header.entries) else {
                return Ok(scanned);
            };
            for (sizes, offset) in entries {
                self.insert(Stored::consecutive(sizes, file_number, start + offset));
            }
            scanned.end = start + header.bytes;
            scanned.worked += header.worked;
        }
    }
}

/// The first line of a record.
struct Header {
    entries: usize,
    bytes: u64,
    worked: Duration,
    hash: blake3::Hash,
}

impl Header {
    fn parse(line: &[u8]) -> Option<Header> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let mut words = line.strip_prefix("chunk ")?.split(' ');
        Some(Header {
            entries: words.next()?.parse().ok()?,
            bytes: words.next()?.parse().ok()?,
            worked: Duration::from_micros(words.next()?.parse().ok()?),
            hash: blake3::Hash::from_hex(words.next()?).ok()?,
        })
    }
}

/// The entries of a record, each with its offset.
fn entries<const P: usize>(payload: &[u8], count: usize) -> Option<Vec<(Sizes<P>, u64)>> {
    let mut entries = Vec::with_capacity(count.min(payload.len()));
    let mut at = 0;
    while at < payload.len() {
        let line = payload[at..].iter().position(|&byte| byte == b'\n')?;
        let line = &payload[at..at + line];
        let sizes: Sizes<P> = std::str::from_utf8(line).ok()?.parse().ok()?;
        at += line.len() + 1;
        entries.push((sizes, at as u64));
        at = at.checked_add(usize::try_from(sizes.total()?).ok()?)?;
    }
    Some(entries).filter(|entries| entries.len() == count && at == payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    fn hash(text: &str) -> EntryHash {
        EntryHash::of(&Key::of(&"test"), text.as_bytes())
    }

    fn record(texts: &[&str]) -> Record<2> {
        let mut record = Record::default();
        for text in texts {
            record.add(hash(text), &[format!("{text}\n").into(), b"bad\n".into()]);
        }
        record
    }

    fn read(journal: &mut Journal<2>, text: &str) -> Option<[Vec<u8>; 2]> {
        let stored = journal.entries.get(&hash(text))?;
        let mut parts = Default::default();
        journal.entries.read(&stored, &mut parts).unwrap();
        Some(parts)
    }

    #[test]
    fn a_torn_end_is_cut_off_wherever_it_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, Duration::ZERO).unwrap();
        journal
            .commit(record(&["one", "two"]), Duration::from_micros(5))
            .unwrap();
        let whole = journal.end;
        journal
            .commit(record(&["three"]), Duration::from_micros(7))
            .unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for torn in whole..bytes.len() as u64 {
            std::fs::write(&path, &bytes[..torn as usize]).unwrap();
            let mut journal = Journal::open(&path, Duration::ZERO).unwrap();
            assert_eq!((journal.end, journal.discarded), (whole, torn - whole));
            assert_eq!(journal.worked, Duration::from_micros(5));
            assert_eq!(
                read(&mut journal, "two"),
                Some([b"two\n".into(), b"bad\n".into()])
            );
            assert_eq!(read(&mut journal, "three"), None);
            journal.commit(record(&["four"]), Duration::ZERO).unwrap();
            let mut again = Journal::open(&path, Duration::ZERO).unwrap();
            assert_eq!(again.discarded, 0);
            assert!(read(&mut again, "one").is_some() && read(&mut again, "four").is_some());
        }
    }

    #[test]
    fn a_damaged_record_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, Duration::ZERO).unwrap();
        journal.commit(record(&["one"]), Duration::ZERO).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for damaged in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[damaged] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let mut journal = Journal::open(&path, Duration::ZERO).unwrap();
            // The microseconds are the one thing outside the checksum.
            if let Some([output, _]) = read(&mut journal, "one") {
                assert_eq!(output, b"one\n", "byte {damaged}");
            }
        }
    }
}
