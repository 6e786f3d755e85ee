//! Writing a GGUF file, version 3.

use std::io::{self, Write};

use super::{BlockFormat, Value, quantize::quantize};

/// Tensors begin at multiples of this many bytes, the format's default.
const ALIGNMENT: usize = 32;

/// A tensor to be written; its values are made when they are needed.
pub struct TensorSource<'a> {
    /// GGUF name.
    pub name: String,
    /// Row-major shape: the reverse of GGUF's own order.
    pub shape: Vec<usize>,
    /// Number format; F32, F16, BF16 or Q8_0.
    pub format: BlockFormat,
    /// The values in row-major order.
    pub values: Box<dyn Fn() -> Vec<f32> + 'a>,
}

impl TensorSource<'_> {
    fn bytes(&self) -> usize {
        let count: usize = self.shape.iter().product();
        count / self.format.block_size() * self.format.block_bytes()
    }
}

/// Writes a file of this metadata, in order, and these tensors.
///
/// Whole numbers are written as u32 (i64 if they do not fit), others as f32, and those in arrays as
/// i32 and f32: the types that llama.cpp asks for.
pub fn write(
    out: &mut dyn Write,
    metadata: &[(String, Value)],
    tensors: &[TensorSource<'_>],
) -> io::Result<()> {
    let mut head = b"GGUF".to_vec();
    head.extend(3u32.to_le_bytes());
    count(&mut head, tensors.len());
    count(&mut head, metadata.len());
    for (key, value) in metadata {
        text(&mut head, key);
        write_value(&mut head, value);
    }
    let mut offset = 0;
    for tensor in tensors {
        text(&mut head, &tensor.name);
        head.extend((tensor.shape.len() as u32).to_le_bytes());
        for &size in tensor.shape.iter().rev() {
            count(&mut head, size);
        }
        head.extend(tensor.format.code().to_le_bytes());
        count(&mut head, offset);
        offset = (offset + tensor.bytes()).next_multiple_of(ALIGNMENT);
    }
    out.write_all(&head)?;
    pad(out, head.len())?;
    for tensor in tensors {
        let bytes = quantize(tensor.format, &(tensor.values)());
        debug_assert_eq!(bytes.len(), tensor.bytes(), "{}", tensor.name);
        out.write_all(&bytes)?;
        pad(out, bytes.len())?;
    }
    Ok(())
}

fn pad(out: &mut dyn Write, written: usize) -> io::Result<()> {
    let zeros = [0; ALIGNMENT];
    out.write_all(&zeros[..written.next_multiple_of(ALIGNMENT) - written])
}

fn count(out: &mut Vec<u8>, number: usize) {
    out.extend((number as u64).to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    count(out, text.len());
    out.extend(text.as_bytes());
}

/// Type codes of the format.
mod kind {
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const TEXT: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const I64: u32 = 11;
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    let mut code = |code: u32| out.extend(code.to_le_bytes());
    match value {
        Value::Integer(number) => match u32::try_from(*number) {
            Ok(number) => {
                code(kind::U32);
                out.extend(number.to_le_bytes());
            }
            Err(_) => {
                code(kind::I64);
                out.extend(number.to_le_bytes());
            }
        },
        Value::Float(number) => {
            code(kind::F32);
            out.extend((*number as f32).to_le_bytes());
        }
        Value::Bool(flag) => {
            code(kind::BOOL);
            out.push(u8::from(*flag));
        }
        Value::Text(content) => {
            code(kind::TEXT);
            text(out, content);
        }
        Value::Integers(numbers) => array(out, kind::I32, numbers, |out, &number| {
            out.extend((number as i32).to_le_bytes());
        }),
        Value::Floats(numbers) => array(out, kind::F32, numbers, |out, &number| {
            out.extend((number as f32).to_le_bytes());
        }),
        Value::Bools(flags) => array(out, kind::BOOL, flags, |out, &flag| {
            out.push(u8::from(flag));
        }),
        Value::Texts(texts) => array(out, kind::TEXT, texts, |out, content| text(out, content)),
    }
}

fn array<T>(out: &mut Vec<u8>, code: u32, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.extend(kind::ARRAY.to_le_bytes());
    out.extend(code.to_le_bytes());
    count(out, values.len());
    values.iter().for_each(|value| write(out, value));
}
