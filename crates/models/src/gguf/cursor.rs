//! Reads the fields of GGUF's header in order, never past the end of the file.

use super::Value;

/// A position in a mapped file. Errors are messages that name the field being read.
pub(super) struct Cursor<'a> {
    file: &'a [u8],
    position: usize,
}

/// GGUF's codes of value types.
mod code {
    pub const U8: u32 = 0;
    pub const I8: u32 = 1;
    pub const U16: u32 = 2;
    pub const I16: u32 = 3;
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const TEXT: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const U64: u32 = 10;
    pub const I64: u32 = 11;
    pub const F64: u32 = 12;
}

impl<'a> Cursor<'a> {
    pub fn new(file: &'a [u8]) -> Self {
        Self { file, position: 0 }
    }

    pub fn position(&self) -> usize {
        self.position
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize, what: &str) -> Result<&'a [u8], String> {
        let rest = &self.file[self.position..];
        if count > rest.len() {
            return Err(format!(
                "the file is truncated: {what} needs {count} bytes at byte {}, but the file ends \
                 at byte {}",
                self.position,
                self.file.len()
            ));
        }
        self.position += count;
        Ok(&rest[..count])
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let bytes = self.bytes(N, what)?;
        Ok(std::array::from_fn(|i| bytes[i]))
    }

    pub fn u32(&mut self, what: &str) -> Result<u32, String> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &str) -> Result<u64, String> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A length-prefixed UTF-8 string.
    pub fn text(&mut self, what: &str) -> Result<String, String> {
        let length = self.u64(what)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = self.bytes(length, what)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| format!("{what} is not valid UTF-8"))
    }

    /// The value of metadata key `key`, preceded by its type.
    pub fn value(&mut self, key: &str) -> Result<Value, String> {
        let what = format!("metadata key `{key}`");
        let kind = self.u32(&what)?;
        if kind == code::ARRAY {
            self.array_value(&what)
        } else {
            self.scalar(kind, &what)
        }
    }

    fn scalar(&mut self, kind: u32, what: &str) -> Result<Value, String> {
        Ok(match kind {
            code::F32 => Value::Float(f64::from(f32::from_le_bytes(self.array(what)?))),
            code::F64 => Value::Float(f64::from_le_bytes(self.array(what)?)),
            code::BOOL => Value::Bool(self.array::<1>(what)?[0] != 0),
            code::TEXT => Value::Text(self.text(what)?),
            _ => Value::Integer(self.integer(kind, what)?),
        })
    }

    fn integer(&mut self, kind: u32, what: &str) -> Result<i64, String> {
        Ok(match kind {
            code::U8 => i64::from(u8::from_le_bytes(self.array(what)?)),
            code::I8 => i64::from(i8::from_le_bytes(self.array(what)?)),
            code::U16 => i64::from(u16::from_le_bytes(self.array(what)?)),
            code::I16 => i64::from(i16::from_le_bytes(self.array(what)?)),
            code::U32 => i64::from(self.u32(what)?),
            code::I32 => i64::from(i32::from_le_bytes(self.array(what)?)),
            code::U64 => i64::try_from(self.u64(what)?)
                .map_err(|_| format!("{what} holds an integer above 2^63"))?,
            code::I64 => i64::from_le_bytes(self.array(what)?),
            _ => {
                return Err(format!(
                    "{what} has value type {kind}, which does not exist"
                ));
            }
        })
    }

    fn array_value(&mut self, what: &str) -> Result<Value, String> {
        let kind = self.u32(what)?;
        let count = self.u64(what)?;
        let remaining = self.file.len() - self.position;
        // Every element takes at least one byte, so a count beyond the file cannot be true.
        let count = usize::try_from(count)
            .ok()
            .filter(|&count| count <= remaining)
            .ok_or_else(|| format!("the file is truncated: {what} claims {count} elements"))?;
        Ok(match kind {
            code::TEXT => Value::Texts(self.repeat(count, |c| c.text(what))?),
            code::BOOL => Value::Bools(self.repeat(count, |c| Ok(c.array::<1>(what)?[0] != 0))?),
            code::F32 => Value::Floats(
                self.repeat(count, |c| Ok(f64::from(f32::from_le_bytes(c.array(what)?))))?,
            ),
            code::F64 => {
                Value::Floats(self.repeat(count, |c| Ok(f64::from_le_bytes(c.array(what)?)))?)
            }
            code::ARRAY => {
                return Err(format!(
                    "{what} is an array of arrays, which is not supported"
                ));
            }
            _ => Value::Integers(self.repeat(count, |c| c.integer(kind, what))?),
        })
    }

    /// Grows as it reads, so a false count costs no memory.
    fn repeat<T>(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(read(self)?);
        }
        Ok(values)
    }
}
