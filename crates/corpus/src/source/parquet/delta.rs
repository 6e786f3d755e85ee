//! Numbers of values that pages with delta encodings of texts claim: the crate `parquet` makes room
//! for them before it reads any.

use ::parquet::basic::Encoding;
use ::parquet::column::page::Page;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::schema::types::ColumnDescriptor;

use super::sizes::Thrift;

/// Largest number of values in a block of numbers; writers make blocks of 128.
const LARGEST_BLOCK: u64 = 1 << 16;

/// Whether a page of this encoding, by its number in the format, has to be checked.
pub(super) fn concerns(encoding: i64) -> bool {
    let ours = [
        Encoding::DELTA_LENGTH_BYTE_ARRAY,
        Encoding::DELTA_BYTE_ARRAY,
    ];
    ours.iter().any(|ours| *ours as i64 == encoding)
}

/// Checks the pages of a column of a row group.
///
/// # Errors
/// What is wrong, or cannot be read.
pub(super) fn check(
    reader: &SerializedFileReader<std::fs::File>,
    group: usize,
    column: usize,
) -> Result<(), String> {
    let unread = |error: ::parquet::errors::ParquetError| error.to_string();
    let group = reader.get_row_group(group).map_err(unread)?;
    let descriptor = group.metadata().column(column).column_descr_ptr();
    let mut pages = group.get_column_page_reader(column).map_err(unread)?;
    while let Some(page) = pages.get_next_page().map_err(unread)? {
        let begins = match &page {
            Page::DataPage {
                buf,
                num_values,
                def_level_encoding,
                rep_level_encoding,
                ..
            } => levels(
                buf,
                u64::from(*num_values),
                &descriptor,
                [*rep_level_encoding, *def_level_encoding],
            ),
            Page::DataPageV2 {
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => Some(u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len)),
            Page::DictionaryPage { .. } => continue,
        };
        let values = begins.and_then(|at| page.buffer().get(usize::try_from(at).ok()?..));
        let values = values.ok_or("damaged: a page is shorter than its levels")?;
        let most = u64::from(page.num_values());
        let rest = match page.encoding() {
            Encoding::DELTA_LENGTH_BYTE_ARRAY => numbers(values, most),
            // Lengths of what is shared with the text before, then lengths of the rest.
            Encoding::DELTA_BYTE_ARRAY => {
                numbers(values, most).and_then(|rest| numbers(rest, most))
            }
            _ => continue,
        };
        rest.ok_or("damaged: a page has more values than its header says")?;
    }
    Ok(())
}

/// The bytes that the levels take before the values of a page of version 1.
fn levels(
    page: &[u8],
    values: u64,
    column: &ColumnDescriptor,
    encodings: [Encoding; 2],
) -> Option<u64> {
    let mut at = 0_u64;
    let highest = [column.max_rep_level(), column.max_def_level()];
    for (highest, encoding) in highest.into_iter().zip(encodings) {
        if highest <= 0 {
            continue;
        }
        at += match encoding {
            Encoding::RLE => {
                let length = page.get(usize::try_from(at).ok()?..)?.first_chunk::<4>()?;
                4 + u64::from(u32::from_le_bytes(*length))
            }
            // The deprecated form without a length: each level in as many bits as the highest.
            _ => (values * u64::from(16 - highest.leading_zeros())).div_ceil(8),
        };
    }
    Some(at)
}

/// What follows on a sequence of at most `most` numbers, packed as deltas in blocks; `None` if it
/// breaks off or is longer.
fn numbers(bytes: &[u8], most: u64) -> Option<&[u8]> {
    // Numbers have the form that they have in headers.
    let mut rest = Thrift { bytes };
    let block = rest.varint().ok()?;
    let parts = rest.varint().ok()?;
    let count = rest.varint().ok()?;
    rest.varint().ok()?;
    if count > most || block > LARGEST_BLOCK || parts == 0 || parts > block {
        return None;
    }
    // The first number is in the head.
    let mut left = count.saturating_sub(1);
    while left > 0 {
        rest.varint().ok()?;
        let parts_here = usize::try_from(parts).ok()?;
        let (widths, after) = rest.bytes.split_at_checked(parts_here)?;
        rest.bytes = after;
        for width in widths {
            if left == 0 {
                break;
            }
            let length = block / parts * u64::from(*width) / 8;
            // Writers may leave out the end of the last part.
            let after = rest.bytes.get(usize::try_from(length).ok()?..);
            rest.bytes = after.unwrap_or(&[]);
            left = left.saturating_sub(block / parts);
        }
    }
    Some(rest.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_their_blocks_end() {
        // 128 a block in 4 parts, 3 numbers: the least delta and the widths, then one part of 2 bits.
        let head = [0x80, 0x01, 4, 3, 2];
        let blocks = [&[0, 2, 0, 0, 0][..], &[0; 8]].concat();
        let whole = [&head[..], &blocks, b"text"].concat();
        assert_eq!(numbers(&whole, 3), Some(&b"text"[..]));
        assert_eq!(numbers(&whole, 2), None);
        assert_eq!(numbers(&whole[..7], 3), None);
        // Ten billion values.
        let many = [0x80, 0x01, 4, 0x80, 0xC8, 0xAF, 0xA0, 0x25, 0];
        assert_eq!(numbers(&many, 1000), None);
    }
}
