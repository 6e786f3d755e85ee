//! The journal of an unfinished stage: append-only, one checksummed record a chunk of rows.
//!
//! ```text
//! chunk ROWS BYTES MICROSECONDS HASH     of the BYTES bytes that follow
//! ROWHASH OUTPUT REJECTED REJECTIONS     sizes of the first row's results (tab-separated)
//! …its output lines, then its rejected lines…
//! ROWHASH …
//! ```
//!
//! A killed process leaves at most one torn record, at the end. Opening the journal cuts it off.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::StageError;
use super::store::{Sizes, Store, Stored};

/// The longest first line of a record: three numbers of up to 20 digits and a hash.
const LONGEST_HEADER: u64 = 160;

/// The journal of a stage that is being worked on.
pub struct Journal {
    file: File,
    path: PathBuf,
    end: u64,
    file_number: u32,
    sync_interval: Duration,
    synced: Instant,
    /// The rows that are done.
    pub store: Store,
    /// Time that went into them, over all runs.
    pub worked: Duration,
    /// Bytes of a torn record that were cut off when the journal was opened.
    pub discarded: u64,
}

impl Journal {
    /// Opens the journal at `path`, or begins one; cuts off a torn end.
    ///
    /// Records reach the disk at the latest `sync_interval` after they were written, so that a
    /// power failure costs no more than that; a killed process loses no record.
    pub fn open(path: &Path, sync_interval: Duration) -> Result<Journal, StageError> {
        let mut options = OpenOptions::new();
        let opened = options.create(true).truncate(false).write(true).open(path);
        let mut file = opened.map_err(StageError::io("open", path))?;
        let mut store = Store::default();
        let file_number = store.add_file(path)?;
        let scanned = scan(path, &mut store, file_number)?;
        let length = file.metadata().map_err(StageError::io("read", path))?.len();
        if scanned.end < length {
            file.set_len(scanned.end)
                .map_err(StageError::io("truncate", path))?;
        }
        file.seek(SeekFrom::Start(scanned.end))
            .map_err(StageError::io("read", path))?;
        Ok(Journal {
            file,
            path: path.to_owned(),
            end: scanned.end,
            file_number,
            sync_interval,
            synced: Instant::now(),
            store,
            worked: scanned.worked,
            discarded: length - scanned.end,
        })
    }

    /// Appends a record; its rows are done from now on.
    pub fn commit(&mut self, record: Record, worked: Duration) -> Result<(), StageError> {
        let Record { payload, rows } = record;
        let hash = blake3::hash(&payload).to_hex();
        let header = format!(
            "chunk {} {} {} {hash}\n",
            rows.len(),
            payload.len(),
            worked.as_micros()
        );
        let payload_start = self.end + header.len() as u64;
        self.file
            .write_all(header.as_bytes())
            .and_then(|()| self.file.write_all(&payload))
            .map_err(StageError::io("write", &self.path))?;
        for (sizes, offset) in rows {
            self.store
                .insert(stored(sizes, self.file_number, payload_start + offset));
        }
        self.end = payload_start + payload.len() as u64;
        self.worked += worked;
        if self.synced.elapsed() >= self.sync_interval {
            self.file
                .sync_data()
                .map_err(StageError::io("write", &self.path))?;
            self.synced = Instant::now();
        }
        Ok(())
    }
}

/// The results of a chunk's rows on their way into the journal.
#[derive(Default)]
pub struct Record {
    payload: Vec<u8>,
    /// Sizes of every row, and where in the payload its output starts.
    rows: Vec<(Sizes, u64)>,
}

impl Record {
    /// Adds a row: `output` and `rejected` hold whole lines, as many as `sizes` says.
    pub fn add(&mut self, sizes: Sizes, output: &[u8], rejected: &[u8]) {
        writeln!(self.payload, "{sizes}").expect("writing to memory does not fail");
        self.rows.push((sizes, self.payload.len() as u64));
        self.payload.extend_from_slice(output);
        self.payload.extend_from_slice(rejected);
    }

    /// Adds the rows of `other` after those that are here.
    pub fn append(&mut self, other: Record) {
        let before = self.payload.len() as u64;
        self.payload.extend_from_slice(&other.payload);
        let rows = other.rows.into_iter();
        self.rows
            .extend(rows.map(|(sizes, start)| (sizes, before + start)));
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What a journal holds.
pub struct Scanned {
    /// Where its last whole record ends.
    pub end: u64,
    /// Time that went into its rows.
    pub worked: Duration,
}

/// Enters the rows of all whole records of the journal at `path` into `store`, as rows of its
/// file number `file`.
pub fn scan(path: &Path, store: &mut Store, file: u32) -> Result<Scanned, StageError> {
    let opened = File::open(path).map_err(StageError::io("open", path))?;
    let length = opened
        .metadata()
        .map_err(StageError::io("read", path))?
        .len();
    let mut reader = BufReader::with_capacity(1 << 20, opened);
    let mut scanned = Scanned {
        end: 0,
        worked: Duration::ZERO,
    };
    let (mut line, mut payload) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = (&mut reader)
            .take(LONGEST_HEADER)
            .read_until(b'\n', &mut line);
        read.map_err(StageError::io("read", path))?;
        let start = scanned.end + line.len() as u64;
        let Some(header) = Header::parse(&line).filter(|h| h.bytes <= length - start) else {
            return Ok(scanned);
        };
        payload.clear();
        let read = (&mut reader).take(header.bytes).read_to_end(&mut payload);
        read.map_err(StageError::io("read", path))?;
        if blake3::hash(&payload) != header.hash {
            return Ok(scanned);
        }
        let Some(rows) = rows(&payload, header.rows) else {
            return Ok(scanned);
        };
        for (sizes, offset) in rows {
            store.insert(stored(sizes, file, start + offset));
        }
        scanned.end = start + header.bytes;
        scanned.worked += header.worked;
    }
}

/// The first line of a record.
struct Header {
    rows: usize,
    bytes: u64,
    worked: Duration,
    hash: blake3::Hash,
}

impl Header {
    fn parse(line: &[u8]) -> Option<Header> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let mut words = line.strip_prefix("chunk ")?.split(' ');
        Some(Header {
            rows: words.next()?.parse().ok()?,
            bytes: words.next()?.parse().ok()?,
            worked: Duration::from_micros(words.next()?.parse().ok()?),
            hash: blake3::Hash::from_hex(words.next()?).ok()?,
        })
    }
}

/// The rows of a record and where in it the output of each starts.
fn rows(payload: &[u8], count: usize) -> Option<Vec<(Sizes, u64)>> {
    let mut rows = Vec::with_capacity(count.min(payload.len()));
    let mut at = 0;
    while at < payload.len() {
        let line = payload[at..].iter().position(|&byte| byte == b'\n')?;
        let sizes: Sizes = std::str::from_utf8(&payload[at..at + line])
            .ok()?
            .parse()
            .ok()?;
        at += line + 1;
        rows.push((sizes, at as u64));
        at = at.checked_add(usize::try_from(sizes.output.checked_add(sizes.rejected)?).ok()?)?;
    }
    Some(rows).filter(|rows| rows.len() == count && at == payload.len())
}

fn stored(sizes: Sizes, file: u32, start: u64) -> Stored {
    Stored {
        sizes,
        output: (file, start),
        rejected: (file, start + sizes.output),
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::RowHash;
    use super::*;

    fn record(texts: &[&str]) -> Record {
        let mut record = Record::default();
        for text in texts {
            let output = format!("{text}\n");
            let hash = RowHash::of("test", text.as_bytes());
            let sizes = Sizes {
                hash,
                output: output.len() as u64,
                rejected: 4,
                rejections: 1,
            };
            record.add(sizes, output.as_bytes(), b"bad\n");
        }
        record
    }

    fn read(journal: &mut Journal, text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        let stored = journal.store.get(&RowHash::of("test", text.as_bytes()))?;
        let (mut output, mut rejected) = Default::default();
        journal
            .store
            .read(&stored, &mut output, &mut rejected)
            .unwrap();
        Some((output, rejected))
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
                Some((b"two\n".into(), b"bad\n".into()))
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
            if let Some((output, _)) = read(&mut journal, "one") {
                assert_eq!(output, b"one\n", "byte {damaged}");
            }
        }
    }
}
