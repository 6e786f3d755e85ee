//! Opens text files: decompressed, after the byte order mark, and surely UTF-8 or a relative of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::SourceError;
use super::kind::check_name;

/// A text file that is being read.
pub(crate) type Reader = Box<dyn BufRead + Send>;

/// Bytes that are read before the encoding is judged.
const BUFFER: usize = 1 << 18;

/// The text of the file at `path`, decompressed if it is a gzip file, after its byte order mark.
///
/// # Errors
/// [`SourceError::Utf16`] for UTF-16 and UTF-32, with or without a byte order mark, and
/// [`SourceError::Unreadable`] for archives, spreadsheets, Arrow and other compression.
pub(crate) fn open(path: &Path) -> Result<Reader, SourceError> {
    check_name(path)?;
    let file = File::open(path).map_err(SourceError::io(path))?;
    let mut reader: Reader = Box::new(BufReader::with_capacity(BUFFER, file));
    if start(&mut reader, path)?.starts_with(&[0x1F, 0x8B]) {
        let unpacked = flate2::bufread::MultiGzDecoder::new(reader);
        reader = Box::new(BufReader::with_capacity(BUFFER, unpacked));
    }
    let begins = start(&mut reader, path)?;
    if let Some(encoding) = wide_encoding(begins) {
        return Err(SourceError::Utf16 {
            path: path.to_owned(),
            encoding,
        });
    }
    let unreadable = |what: &str| SourceError::Unreadable {
        path: path.to_owned(),
        what: what.to_owned(),
    };
    if begins.starts_with(b"PAR1") {
        return Err(unreadable(
            "a Parquet file; name it with the ending .parquet",
        ));
    }
    if begins.starts_with(b"PK\x03\x04") {
        return Err(unreadable(
            "a zip archive or a spreadsheet; unpack it, or export it as CSV",
        ));
    }
    if has_old_lines(begins) {
        return Err(unreadable(
            "one line, since its lines end as on old Macs; convert it, e.g. with tr '\\r' '\\n'",
        ));
    }
    if begins.starts_with("\u{FEFF}".as_bytes()) {
        reader.consume(3);
    }
    Ok(reader)
}

/// The first bytes of `reader`, which are not consumed.
fn start<'r>(reader: &'r mut Reader, path: &Path) -> Result<&'r [u8], SourceError> {
    reader.fill_buf().map_err(SourceError::io(path))
}

/// UTF-16 or UTF-32, by the byte order mark or by the zeros in every other byte of Latin text.
pub fn wide_encoding(begins: &[u8]) -> Option<&'static str> {
    match begins {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => return Some("UTF-32"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return Some("UTF-16"),
        _ => {}
    }
    let sample = &begins[..begins.len().min(1024)];
    let zeros = |first: usize| {
        let bytes = sample.iter().skip(first).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let half = sample.len() / 2;
    match half >= 4 && even.max(odd) > half / 2 {
        true if even > odd => Some("UTF-16BE"),
        true => Some("UTF-16LE"),
        false => None,
    }
}

/// Whether lines end with a carriage return alone, which would make one row of all.
fn has_old_lines(begins: &[u8]) -> bool {
    begins.trim_ascii_end().contains(&b'\r') && !begins.contains(&b'\n')
}

/// Reads up to and with the next line break into `line`, but keeps at most `most` bytes of it.
/// Returns the length of the line in bytes; 0 at the end of the file.
pub(crate) fn read_line(reader: &mut Reader, line: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    line.clear();
    let mut length = 0;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(buffer.len(), |at| at + 1);
        let kept = taken.min(most.saturating_sub(line.len()));
        line.extend_from_slice(&buffer[..kept]);
        reader.consume(taken);
        length += taken;
        if end.is_some() || taken == 0 {
            return Ok(length);
        }
    }
}

/// Everything that `reader` holds.
///
/// # Errors
/// [`SourceError::TooLarge`] beyond `most` bytes.
pub(crate) fn read_all(path: &Path, reader: Reader, most: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    let read = reader.take(most + 1).read_to_end(&mut bytes);
    read.map_err(SourceError::io(path))?;
    match bytes.len() as u64 > most {
        true => Err(SourceError::TooLarge {
            path: path.to_owned(),
            gib: most >> 30,
        }),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_encodings_are_known_by_mark_or_zeros() {
        let wide =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        assert_eq!(wide_encoding(&wide("a house\tuma casa")), Some("UTF-16LE"));
        assert_eq!(wide_encoding(&wide("\u{FEFF}a")), Some("UTF-16"));
        assert_eq!(wide_encoding("a house\tuma casa".as_bytes()), None);
        assert_eq!(wide_encoding(b""), None);
    }

    #[test]
    fn lines_that_end_as_on_old_macs_are_known() {
        assert!(has_old_lines(b"a house\tuma casa\ra dog\tum c\xc3\xa3o\r"));
        assert!(!has_old_lines(b"a house\tuma casa\r\na dog\tum cao\r\n"));
        assert!(!has_old_lines(b"a house\tuma casa\r\n"));
        assert!(!has_old_lines(b"a house\rtuma casa\n"));
        assert!(!has_old_lines(b"a house\tuma casa"));
    }

    #[test]
    fn a_line_is_kept_up_to_its_bound_and_measured_in_full() {
        let mut reader: Reader = Box::new(BufReader::with_capacity(3, &b"abcdefgh\nij"[..]));
        let mut line = Vec::new();
        assert_eq!(read_line(&mut reader, &mut line, 5).unwrap(), 9);
        assert_eq!(line, b"abcde");
        assert_eq!(read_line(&mut reader, &mut line, 5).unwrap(), 2);
        assert_eq!(line, b"ij");
        assert_eq!(read_line(&mut reader, &mut line, 5).unwrap(), 0);
    }
}
