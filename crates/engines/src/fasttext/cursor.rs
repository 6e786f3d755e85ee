//! Reads the fields of a fastText file in order, never past its end.

use std::ops::Range;

/// A position in a file. Errors are messages that name the field being read.
pub(super) struct Cursor<'a> {
    file: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self { file, position: 0 }
    }

    /// Number of bytes left.
    pub(super) fn remaining(&self) -> usize {
        self.file.len() - self.position
    }

    /// Range of the next `count` bytes.
    pub(super) fn skip(&mut self, count: usize, what: &str) -> Result<Range<usize>, String> {
        if count > self.remaining() {
            return Err(format!(
                "the file is truncated: {what} needs {count} bytes at byte {}, but the file ends at byte {}",
                self.position,
                self.file.len()
            ));
        }
        let start = self.position;
        self.position += count;
        Ok(start..self.position)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let range = self.skip(N, what)?;
        let bytes = &self.file[range];
        Ok(std::array::from_fn(|i| bytes[i]))
    }

    pub(super) fn bool(&mut self, what: &str) -> Result<bool, String> {
        self.array::<1>(what).map(|[byte]| byte != 0)
    }

    pub(super) fn i8(&mut self, what: &str) -> Result<i8, String> {
        self.array(what).map(i8::from_le_bytes)
    }

    pub(super) fn i32(&mut self, what: &str) -> Result<i32, String> {
        self.array(what).map(i32::from_le_bytes)
    }

    pub(super) fn i64(&mut self, what: &str) -> Result<i64, String> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// A count or size: a non-negative i32.
    pub(super) fn size(&mut self, what: &str) -> Result<usize, String> {
        let value = self.i32(what)?;
        usize::try_from(value).map_err(|_| format!("{what} is {value}"))
    }

    /// A count or size: a non-negative i64.
    pub(super) fn long_size(&mut self, what: &str) -> Result<usize, String> {
        let value = self.i64(what)?;
        usize::try_from(value).map_err(|_| format!("{what} is {value}"))
    }

    /// Range of the bytes up to the next NUL, which is consumed.
    pub(super) fn text(&mut self, what: &str) -> Result<Range<usize>, String> {
        let rest = &self.file[self.position..];
        let Some(length) = rest.iter().position(|&byte| byte == 0) else {
            return Err(format!("the file is truncated: {what} is not terminated"));
        };
        let range = self.position..self.position + length;
        self.position += length + 1;
        Ok(range)
    }

    /// The next `count` floats.
    pub(super) fn floats(&mut self, count: usize, what: &str) -> Result<Vec<f32>, String> {
        let range = self.skip_floats(count, what)?;
        Ok(floats(&self.file[range]).collect())
    }

    /// The place of `count` floats, all of which are finite.
    pub(super) fn skip_floats(&mut self, count: usize, what: &str) -> Result<Range<usize>, String> {
        let range = self.skip(count.saturating_mul(4), what)?;
        match floats(&self.file[range.clone()]).position(|value| !value.is_finite()) {
            None => Ok(range),
            Some(place) => Err(format!(
                "value {place} of {what} is not finite: the file is damaged; download it again"
            )),
        }
    }
}

/// Little-endian floats.
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    let (quads, _) = bytes.as_chunks::<4>();
    quads.iter().map(|quad| f32::from_le_bytes(*quad))
}
