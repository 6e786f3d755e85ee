//! GGUF files: llama.cpp's container for metadata, tokenizer and quantised weights.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little
//! endian. The file is memory-mapped. Every length and offset is checked against its size before
//! anything is allocated, so a truncated or hostile file ends in an error that names the key or
//! tensor.

mod cursor;
mod dequantize;
mod quantize;
mod write;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

pub use dequantize::{BlockFormat, dequantize};
pub use quantize::quantize;
pub use write::{TensorSource, write};

use cursor::Cursor;

/// Error returned when a GGUF file is refused.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file could not be opened or mapped.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The content violates the format.
    #[error("{path}: {message}")]
    Format {
        /// The file.
        path: PathBuf,
        /// The problem, and the key or tensor concerned.
        message: String,
    },
    /// A metadata key is missing.
    #[error("{path}: metadata key `{key}` is missing")]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A metadata key has the wrong type.
    #[error("{path}: metadata key `{key}` is not {expected}")]
    KeyType {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The expected type.
        expected: &'static str,
    },
}

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any integer type. u64 values above `i64::MAX` are refused.
    Integer(i64),
    /// f32 or f64.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A UTF-8 string.
    Text(String),
    /// An array of integers of any width.
    Integers(Vec<i64>),
    /// An array of f32 or f64.
    Floats(Vec<f64>),
    /// An array of booleans.
    Bools(Vec<bool>),
    /// An array of strings.
    Texts(Vec<String>),
}

/// Location and format of one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Row-major shape: the reverse of GGUF's own order.
    pub shape: Vec<usize>,
    /// Number format.
    pub format: BlockFormat,
    /// Offset of the first byte in the file.
    start: usize,
    /// Length in bytes.
    bytes: usize,
}

/// An open GGUF file.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    map: Mmap,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
}

/// Limit of the format: no tensor has more dimensions.
const MAX_DIMENSIONS: u32 = 4;

impl Gguf {
    /// Maps the file and reads its header.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, GgufError> {
        let path = path.as_ref().to_path_buf();
        let io = |source| GgufError::Io {
            path: path.clone(),
            source,
        };
        let file = File::open(&path).map_err(io)?;
        // SAFETY: the map is read-only. A file that another process changes gives wrong values, as
        // with any reader, but no invalid ones: all bytes are valid in all formats.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let (metadata, tensors) = read_header(&map).map_err(|message| GgufError::Format {
            path: path.clone(),
            message,
        })?;
        Ok(Self {
            path,
            map,
            metadata,
            tensors,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors by their GGUF names.
    pub fn tensors(&self) -> &HashMap<String, TensorInfo> {
        &self.tensors
    }

    /// The value of a metadata key, if present.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// A string value, if the key is present.
    pub fn text(&self, key: &str) -> Result<Option<&str>, GgufError> {
        self.typed(key, "a string", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A non-negative integer value, if the key is present.
    pub fn unsigned(&self, key: &str) -> Result<Option<usize>, GgufError> {
        self.typed(key, "a non-negative integer", |value| match value {
            Value::Integer(number) => usize::try_from(*number).ok(),
            _ => None,
        })
    }

    /// A floating-point value, if the key is present.
    pub fn float(&self, key: &str) -> Result<Option<f64>, GgufError> {
        self.typed(key, "a number", |value| match value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            _ => None,
        })
    }

    /// A boolean value, if the key is present.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, "a boolean", |value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// An array of strings, if the key is present.
    pub fn texts(&self, key: &str) -> Result<Option<&[String]>, GgufError> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Texts(texts) => Some(texts.as_slice()),
            _ => None,
        })
    }

    /// An array of integers, if the key is present.
    pub fn integers(&self, key: &str) -> Result<Option<&[i64]>, GgufError> {
        self.typed(key, "an array of integers", |value| match value {
            Value::Integers(numbers) => Some(numbers.as_slice()),
            _ => None,
        })
    }

    /// An array of floating-point numbers, if the key is present.
    pub fn floats(&self, key: &str) -> Result<Option<&[f64]>, GgufError> {
        self.typed(key, "an array of numbers", |value| match value {
            Value::Floats(numbers) => Some(numbers.as_slice()),
            _ => None,
        })
    }

    /// The error for a required key that is missing.
    pub fn missing(&self, key: impl Into<String>) -> GgufError {
        GgufError::MissingKey {
            path: self.path.clone(),
            key: key.into(),
        }
    }

    /// The values of a tensor as f32, in row-major order.
    pub fn values(&self, info: &TensorInfo) -> Vec<f32> {
        dequantize(info.format, &self.map[info.start..info.start + info.bytes])
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.metadata.get(key) else {
            return Ok(None);
        };
        read(value).map(Some).ok_or_else(|| GgufError::KeyType {
            path: self.path.clone(),
            key: key.to_owned(),
            expected,
        })
    }
}

type Header = (HashMap<String, Value>, HashMap<String, TensorInfo>);

/// Reads everything before the tensor data. Errors are messages without the path.
fn read_header(file: &[u8]) -> Result<Header, String> {
    let mut cursor = Cursor::new(file);
    if cursor.bytes(4, "the magic number")? != b"GGUF" {
        return Err("not a GGUF file: it does not begin with `GGUF`".into());
    }
    let version = cursor.u32("the version")?;
    match version {
        2 | 3 => {}
        _ if matches!(version.swap_bytes(), 2 | 3) => {
            return Err("a big-endian GGUF file; only little-endian files are supported".into());
        }
        _ => {
            return Err(format!(
                "GGUF version {version}; versions 2 and 3 are supported"
            ));
        }
    }
    let tensor_count = cursor.u64("the number of tensors")?;
    let key_count = cursor.u64("the number of metadata keys")?;

    let mut metadata = HashMap::new();
    for index in 0..key_count {
        let key = cursor.text(&format!("metadata key {index} of {key_count}"))?;
        let value = cursor.value(&key)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(format!("metadata key `{key}` occurs twice"));
        }
    }

    if let Some(Value::Integer(parts @ 2..)) = metadata.get("split.count") {
        return Err(format!(
            "one of {parts} parts of a split GGUF file; join them with llama.cpp: \
             llama-gguf-split --merge FIRST_PART JOINED.gguf"
        ));
    }

    let mut infos = Vec::new();
    for index in 0..tensor_count {
        let name = cursor.text(&format!("the name of tensor {index} of {tensor_count}"))?;
        let what = format!("the header of tensor `{name}`");
        let dimensions = cursor.u32(&what)?;
        if dimensions > MAX_DIMENSIONS {
            return Err(format!(
                "tensor `{name}` has {dimensions} dimensions; at most 4 are allowed"
            ));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(cursor.u64(&what)?);
        }
        shape.reverse();
        let code = cursor.u32(&what)?;
        infos.push((name, shape, code, cursor.u64(&what)?));
    }

    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(Value::Integer(bytes)) if (1..=1 << 20).contains(bytes) => *bytes as usize,
        Some(_) => return Err("metadata key `general.alignment` is not a valid size".into()),
    };
    let data = cursor.position().next_multiple_of(alignment);

    let mut tensors = HashMap::new();
    for (name, shape, code, offset) in infos {
        let info = place(file.len(), data, &name, &shape, code, offset)?;
        if tensors.insert(name.clone(), info).is_some() {
            return Err(format!("tensor `{name}` occurs twice"));
        }
    }
    Ok((metadata, tensors))
}

/// Checks that a tensor lies within the file.
fn place(
    file: usize,
    data: usize,
    name: &str,
    shape: &[u64],
    code: u32,
    offset: u64,
) -> Result<TensorInfo, String> {
    let format = BlockFormat::from_code(code).ok_or_else(|| {
        format!(
            "tensor `{name}` is stored in GGML format {code}; supported are F32, F16, BF16, Q8_0, \
             Q4_0, Q4_1, Q5_0, Q5_1 and Q2_K to Q6_K"
        )
    })?;
    let too_large = || format!("tensor `{name}` of shape {shape:?} is larger than any file");
    let shape: Vec<usize> = shape
        .iter()
        .map(|&size| usize::try_from(size).map_err(|_| too_large()))
        .collect::<Result<_, _>>()?;
    let row = shape.last().copied().unwrap_or(1);
    if row % format.block_size() != 0 {
        return Err(format!(
            "tensor `{name}` has rows of {row} values, which is not a multiple of the block size of {format:?}"
        ));
    }
    let count = shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .ok_or_else(too_large)?;
    let bytes = (count / format.block_size())
        .checked_mul(format.block_bytes())
        .ok_or_else(too_large)?;
    let end = usize::try_from(offset)
        .ok()
        .and_then(|offset| data.checked_add(offset))
        .and_then(|start| Some((start, start.checked_add(bytes)?)));
    match end {
        Some((start, end)) if end <= file => Ok(TensorInfo {
            shape,
            format,
            start,
            bytes,
        }),
        _ => Err(format!(
            "the file is truncated: tensor `{name}` needs {bytes} bytes at offset {offset} of the \
             data, which begins at byte {data}, but the file ends at byte {file}"
        )),
    }
}
