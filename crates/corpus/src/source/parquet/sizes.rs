//! Sizes that a Parquet file claims, checked before anything of that size is allocated.
//!
//! The crate `parquet` allocates what the file asks for and follows its schema by recursion, so a
//! damaged file could end the process. Footer and page headers are structs in Thrift's compact
//! protocol (parquet-format, `parquet.thrift`); this reads as much of them as is needed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use ::parquet::basic::Compression;
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::delta;

/// Maximum size of a footer; that of a file of FineWeb has 1 MB.
const LARGEST_FOOTER: u64 = 16 << 20;
/// Maximum depth of a schema.
const DEEPEST_SCHEMA: usize = 32;
/// Maximum size of a page, unpacked: writers make pages of about 1 MB, but a page has at least one
/// value.
const LARGEST_PAGE: i64 = 128 << 20;
/// Maximum number of values of a row, e.g. turns of a conversation, on average.
const MOST_VALUES_PER_ROW: i64 = 10_000;
/// Maximum number of elements of nested structs and lists of a footer that are followed.
const DEEPEST_THRIFT: usize = 32;
/// Bytes in which the header of a page is looked for; statistics in it may hold a long text.
const PAGE_HEADER: usize = 1 << 20;

type Result<T> = std::result::Result<T, String>;

fn damaged(what: &str) -> String {
    format!("damaged: {what}")
}

fn unread(error: io::Error) -> String {
    format!("cannot be read: {error}")
}

/// Checks the sizes in the footer of `file`.
pub(super) fn check_footer(file: &mut File) -> Result<()> {
    let length = file.seek(SeekFrom::End(0)).map_err(unread)?;
    if length < 12 {
        return Err("not a Parquet file: it is too short".to_owned());
    }
    let mut tail = [0; 8];
    file.seek(SeekFrom::End(-8)).map_err(unread)?;
    file.read_exact(&mut tail).map_err(unread)?;
    if &tail[4..] != b"PAR1" {
        return Err("not a Parquet file, or it breaks off: it does not end with PAR1".to_owned());
    }
    let size = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if size > length - 8 || size > LARGEST_FOOTER {
        return Err(damaged(&format!("its footer would have {size} bytes")));
    }
    let mut footer = vec![0; size as usize];
    file.seek(SeekFrom::Start(length - 8 - size))
        .map_err(unread)?;
    file.read_exact(&mut footer).map_err(unread)?;
    let mut schema = Vec::new();
    let mut thrift = Thrift { bytes: &footer };
    thrift.fields(0, &mut |thrift, field, kind| {
        // FileMetaData: 2 is the list of schema elements, of which field 5 counts the children.
        match (field, kind) {
            (2, LIST) => thrift.elements(&mut |thrift, _| {
                let mut children = 0;
                thrift.fields(1, &mut |thrift, field, kind| match (field, kind) {
                    (5, I32) => {
                        children = thrift.number()?;
                        Ok(())
                    }
                    _ => thrift.skip(kind, 2),
                })?;
                schema.push(children);
                Ok(())
            }),
            _ => thrift.skip(kind, 1),
        }
    })?;
    check_schema(&schema)
}

/// Checks that the schema, whose elements follow each other depth first with their numbers of
/// children, is a tree of bounded depth.
fn check_schema(children: &[i64]) -> Result<()> {
    // Children that are still to come, by depth.
    let mut open: Vec<i64> = vec![1];
    for &count in children {
        while open.last() == Some(&0) {
            open.pop();
        }
        let Some(left) = open.last_mut() else {
            return Err(damaged("its schema has more elements than children"));
        };
        *left -= 1;
        if count < 0 || count as usize >= children.len() {
            return Err(damaged(&format!(
                "a column of its schema has {count} children"
            )));
        }
        open.push(count);
        if open.len() > DEEPEST_SCHEMA {
            return Err(format!(
                "its schema is nested more than {DEEPEST_SCHEMA} deep"
            ));
        }
    }
    match open.iter().all(|left| *left == 0) {
        true => Ok(()),
        false => Err(damaged("its schema breaks off")),
    }
}

/// Checks the sizes of the pages of all columns that `wanted` chooses. Returns those with texts in
/// delta encodings, by row group and column.
pub(super) fn check_pages(
    file: &mut File,
    metadata: &ParquetMetaData,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<(usize, usize)>> {
    let length = file.seek(SeekFrom::End(0)).map_err(unread)? as i64;
    let mut deltas = Vec::new();
    for (at, group) in metadata.row_groups().iter().enumerate() {
        for (number, column) in group.columns().iter().enumerate() {
            let path = column.column_path();
            if !path.parts().first().is_some_and(|name| wanted(name)) {
                continue;
            }
            check_compression(column.compression())
                .map_err(|fault| format!("column {}: {fault}", path.string()))?;
            let (values, has_deltas) = check_column(file, column, length)
                .map_err(|fault| format!("column {}: {fault}", path.string()))?;
            if has_deltas {
                deltas.push((at, number));
            }
            let rows = group.num_rows().max(1);
            if values / rows > MOST_VALUES_PER_ROW {
                return Err(damaged(&format!(
                    "the column {} has {values} values in {rows} rows",
                    path.string()
                )));
            }
        }
    }
    Ok(deltas)
}

/// Fails for the compressions that are not read.
fn check_compression(compression: Compression) -> Result<()> {
    let name = match compression {
        Compression::BROTLI(_) => "brotli",
        Compression::LZO => "LZO",
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::LZ4
        | Compression::LZ4_RAW
        | Compression::ZSTD(_) => return Ok(()),
    };
    Err(format!(
        "its pages are packed with {name}, which is not read; write the file again with zstd, e.g. \
         with pandas: pandas.read_parquet(IN).to_parquet(OUT, compression=\"zstd\")"
    ))
}

/// Checks the pages of a column; returns the number of values that their headers claim, and whether
/// texts have delta encodings.
fn check_column(file: &mut File, column: &ColumnChunkMetaData, length: i64) -> Result<(i64, bool)> {
    let first = column.dictionary_page_offset().unwrap_or(i64::MAX);
    let mut at = first.min(column.data_page_offset());
    let end = at.saturating_add(column.compressed_size());
    if at < 0 || column.compressed_size() < 0 || end > length {
        return Err(damaged("its pages lie outside of the file"));
    }
    let (mut values, mut has_deltas) = (0_i64, false);
    while at < end {
        let most = ((end - at) as usize).min(PAGE_HEADER);
        let header = PageHeader::read(file, at, most)?;
        if header.unpacked > LARGEST_PAGE {
            return Err(format!(
                "a page would take {} MB, more than {}",
                header.unpacked >> 20,
                LARGEST_PAGE >> 20
            ));
        }
        if header.packed < 0 || header.unpacked < 0 || header.values < 0 {
            return Err(damaged("a page has a negative size"));
        }
        at += header.length;
        if at.saturating_add(header.packed) > length {
            return Err(damaged("a page breaks off"));
        }
        if matches!(column.compression(), Compression::GZIP(_)) {
            check_gzip(file, at, &header)?;
        }
        at += header.packed;
        values = values.saturating_add(header.values);
        has_deltas |= delta::concerns(header.encoding);
    }
    Ok((values, has_deltas))
}

/// A gzip page is unpacked to its end whatever its header claims. Gzip makes data at most 1032 times
/// smaller, so only large pages have to be tried.
fn check_gzip(file: &mut File, at: i64, header: &PageHeader) -> Result<()> {
    if header.packed < LARGEST_PAGE / 1032 {
        return Ok(());
    }
    file.seek(SeekFrom::Start(at as u64)).map_err(unread)?;
    let packed = file.take(header.packed as u64);
    let mut unpacked = flate2::read::MultiGzDecoder::new(packed).take(LARGEST_PAGE as u64 + 1);
    let size = io::copy(&mut unpacked, &mut io::sink()).map_err(unread)?;
    match size as i64 > LARGEST_PAGE {
        true => Err(format!(
            "a page would take more than {} MB",
            LARGEST_PAGE >> 20
        )),
        false => Ok(()),
    }
}

/// The header of a page.
#[derive(Default)]
struct PageHeader {
    /// Bytes of the header itself.
    length: i64,
    unpacked: i64,
    packed: i64,
    values: i64,
    encoding: i64,
}

impl PageHeader {
    /// Reads the header at byte `at`, which has at most `most` bytes.
    fn read(file: &mut File, at: i64, most: usize) -> Result<PageHeader> {
        // Headers are short as a rule; the whole bound is read only if one is not.
        match PageHeader::parsed(file, at, most.min(512)) {
            Err(_) if most > 512 => PageHeader::parsed(file, at, most),
            header => header,
        }
    }

    fn parsed(file: &mut File, at: i64, most: usize) -> Result<PageHeader> {
        file.seek(SeekFrom::Start(at as u64)).map_err(unread)?;
        let mut bytes = vec![0; most];
        file.read_exact(&mut bytes).map_err(unread)?;
        let mut thrift = Thrift { bytes: &bytes };
        let mut header = PageHeader::default();
        thrift.fields(0, &mut |thrift, field, kind| match (field, kind) {
            (2, I32) => thrift.number_into(&mut header.unpacked),
            (3, I32) => thrift.number_into(&mut header.packed),
            // Data pages of version 1 and 2: the first field counts the values.
            (5 | 8, STRUCT) => {
                let encoding = [2, 4][usize::from(field == 8)];
                thrift.fields(1, &mut |thrift, field, kind| match (field, kind) {
                    (1, I32) => thrift.number_into(&mut header.values),
                    (field, I32) if field == encoding => thrift.number_into(&mut header.encoding),
                    _ => thrift.skip(kind, 2),
                })
            }
            _ => thrift.skip(kind, 1),
        })?;
        header.length = (most - thrift.bytes.len()) as i64;
        Ok(header)
    }
}

/// Kinds of Thrift's compact protocol.
const I32: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// A struct in Thrift's compact protocol.
pub(super) struct Thrift<'b> {
    pub(super) bytes: &'b [u8],
}

impl Thrift<'_> {
    fn byte(&mut self) -> Result<u8> {
        let (&first, rest) = self
            .bytes
            .split_first()
            .ok_or_else(|| damaged("it breaks off"))?;
        self.bytes = rest;
        Ok(first)
    }

    pub(super) fn varint(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(damaged("a number is too long"))
    }

    /// A signed number in zigzag form.
    fn number(&mut self) -> Result<i64> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn number_into(&mut self, place: &mut i64) -> Result<()> {
        *place = self.number()?;
        Ok(())
    }

    /// Calls `take` for each field of a struct, which has to read its value.
    fn fields(
        &mut self,
        depth: usize,
        take: &mut dyn FnMut(&mut Self, i64, u8) -> Result<()>,
    ) -> Result<()> {
        if depth > DEEPEST_THRIFT {
            return Err(damaged("it is nested too deep"));
        }
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => self.number()?,
                step => field.saturating_add(i64::from(step)),
            };
            take(self, field, head & 0xF)?;
        }
    }

    /// Calls `take` for each element of a list, which has to read it.
    fn elements(&mut self, take: &mut dyn FnMut(&mut Self, u8) -> Result<()>) -> Result<()> {
        let head = self.byte()?;
        let size = match head >> 4 {
            15 => self.varint()?,
            size => u64::from(size),
        };
        // Every element takes at least a byte.
        if size > self.bytes.len() as u64 {
            return Err(damaged(&format!("a list would have {size} elements")));
        }
        (0..size).try_for_each(|_| take(self, head & 0xF))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        match kind {
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.skip_bytes(8),
            8 => {
                let length = self.varint()?;
                self.skip_bytes(length)
            }
            9 | 10 if depth <= DEEPEST_THRIFT => self.elements(&mut |thrift, kind| match kind {
                // In a list, a boolean takes a byte.
                1 | 2 => thrift.byte().map(drop),
                kind => thrift.skip(kind, depth + 1),
            }),
            STRUCT => self.fields(depth, &mut |thrift, _, kind| thrift.skip(kind, depth + 1)),
            _ => Err(damaged(&format!(
                "it holds a value of the unknown kind {kind}"
            ))),
        }
    }

    fn skip_bytes(&mut self, count: u64) -> Result<()> {
        let rest = usize::try_from(count)
            .ok()
            .and_then(|count| self.bytes.get(count..));
        self.bytes = rest.ok_or_else(|| damaged("it breaks off"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_a_tree_of_bounded_depth() {
        assert!(check_schema(&[2, 0, 0]).is_ok());
        assert!(check_schema(&[2, 1, 0, 0]).is_ok());
        assert!(check_schema(&[1, i64::from(i32::MAX)]).is_err());
        assert!(check_schema(&[2, 0]).is_err() && check_schema(&[1, 0, 0]).is_err());
        let deep = [vec![1; 20_000], vec![0]].concat();
        assert!(check_schema(&deep).unwrap_err().contains("nested"));
    }

    #[test]
    fn a_list_cannot_claim_more_elements_than_bytes() {
        let mut thrift = Thrift {
            bytes: &[0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0],
        };
        let error = thrift.skip(LIST, 0).unwrap_err();
        assert!(error.contains("2147483647 elements"), "{error}");
    }
}
