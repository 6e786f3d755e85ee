//! PyTorch checkpoints: `torch.save` files, read as tensors and plain data only.
//!
//! Such a file is a pickle, a program that builds objects and may call any Python function. The
//! `pytorch-reader` crate interprets it without Python: it knows how tensors are built and treats
//! every other call as an opaque value, so nothing is ever executed. In addition, `globals` first
//! refuses files that name anything but tensors and plain data, since such a file may have been
//! made to harm whoever loads it with Python.

mod globals;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use pytorch_reader::{DType, PickleValue, PytorchReader, Tensor};
use serde_json::{Map, Number, Value};

use crate::checkpoint::{Checkpoint, CheckpointError, convert};
use crate::panic_boundary::guarded;

/// The tensors of one or several `torch.save` files. Opening reads names and shapes; values are
/// read from disk one tensor at a time.
#[derive(Debug)]
pub struct PytorchCheckpoint {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

impl PytorchCheckpoint {
    /// Opens these files as one checkpoint of `path`. With `key`, the tensors are those under this
    /// key of each file, such as `state_dict` in a PyTorch Lightning checkpoint.
    pub fn open(
        path: &Path,
        files: &[PathBuf],
        key: Option<&str>,
    ) -> Result<Self, CheckpointError> {
        let mut tensors = BTreeMap::new();
        for file in files {
            check_globals(file)?;
            let reader = guarded(|| match key {
                Some(key) => PytorchReader::with_top_level_key(file, key),
                None => PytorchReader::new(file),
            });
            let reader = reader.map_err(|panic| CheckpointError::file(file, panic))?;
            let reader = reader.map_err(|error| CheckpointError::file(file, error))?;
            for (name, tensor) in reader.into_tensors() {
                if tensors.insert(name.clone(), tensor).is_some() {
                    let message = format!("tensor `{name}` is stored in two files");
                    return Err(CheckpointError::file(file, message));
                }
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            tensors,
        })
    }
}

impl Checkpoint for PytorchCheckpoint {
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.tensors.get(name)?.shape().to_vec())
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| CheckpointError::Missing {
                path: self.path(),
                name: name.to_owned(),
            })?;
        if tensor.shape() != shape {
            return Err(CheckpointError::Shape {
                path: self.path(),
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: tensor.shape().to_vec(),
            });
        }
        let bytes = guarded(|| tensor.read())
            .map_err(|panic| CheckpointError::file(self.path(), panic))?
            .map_err(|error| CheckpointError::file(self.path(), error))?;
        match tensor.dtype() {
            DType::F32 => Ok(convert(&bytes, f32::from_le_bytes)),
            DType::F16 => Ok(convert(&bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
            DType::BF16 => Ok(convert(&bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
            other => Err(CheckpointError::Format {
                path: self.path(),
                name: name.to_owned(),
                format: format!("{other:?}"),
                supported: "F32, F16 or BF16",
            }),
        }
    }
}

/// The plain data under `key` of a `torch.save` file, such as the `hyper_parameters` of a PyTorch
/// Lightning checkpoint; `None` if the file has no such key. Anything that is not plain data
/// (classes, tensors) is left out.
pub fn plain_data(file: &Path, key: &str) -> Result<Option<Value>, CheckpointError> {
    check_globals(file)?;
    let read = guarded(|| PytorchReader::read_pickle_data(file, Some(key)));
    match read.map_err(|panic| CheckpointError::file(file, panic))? {
        Ok(value) => Ok(json(value)),
        Err(pytorch_reader::PytorchError::KeyNotFound(_)) => Ok(None),
        Err(error) => Err(CheckpointError::file(file, error)),
    }
}

fn json(value: PickleValue) -> Option<Value> {
    Some(match value {
        PickleValue::None => Value::Null,
        PickleValue::Bool(value) => Value::Bool(value),
        PickleValue::Int(value) => Value::Number(value.into()),
        PickleValue::Float(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        PickleValue::String(value) => Value::String(value),
        PickleValue::List(values) => Value::Array(values.into_iter().filter_map(json).collect()),
        PickleValue::Dict(entries) => Value::Object(
            entries
                .into_iter()
                .filter_map(|(key, value)| Some((key, json(value)?)))
                .collect::<Map<_, _>>(),
        ),
        PickleValue::Bytes(_) | PickleValue::Unsupported(_) => return None,
    })
}

/// First bytes of a ZIP archive, the format of `torch.save` since PyTorch 1.6.
const ZIP: &[u8] = b"PK\x03\x04";

/// Pickles at the start of an older file: magic number, protocol version, system, the saved object,
/// the keys of its storages. Raw numbers follow.
const LEGACY_PICKLES: usize = 5;

/// The magic number of a legacy file (0x1950a86a20f9469cfc6c) as a pickle.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Fails if a pickle in `file` names anything but tensors and plain data.
fn check_globals(file: &Path) -> Result<(), CheckpointError> {
    let error = |message: String| CheckpointError::file(file, message);
    let opened = File::open(file).map_err(|source| CheckpointError::file(file, source))?;
    // SAFETY: the map is read-only, and any bytes in it are valid; `globals` checks every length.
    let map =
        unsafe { Mmap::map(&opened) }.map_err(|source| CheckpointError::file(file, source))?;
    if map.starts_with(ZIP) {
        for pickle in pickles_of_zip(&map).map_err(error)? {
            globals::check(&pickle).map_err(error)?;
        }
        return Ok(());
    }
    let header = &map[..map.len().min(64)];
    let is_legacy = header
        .windows(LEGACY_MAGIC.len())
        .any(|bytes| bytes == LEGACY_MAGIC);
    if !is_legacy {
        let message = "not a PyTorch checkpoint: neither a ZIP archive nor the format of older \
                       files; save it again with torch.save";
        return Err(error(message.into()));
    }
    let mut rest: &[u8] = &map;
    for _ in 0..LEGACY_PICKLES {
        let length = globals::check(rest).map_err(error)?;
        rest = &rest[length..];
    }
    Ok(())
}

/// Checks every pickle of an archive.
fn pickles_of_zip(map: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let broken = |error: &dyn std::fmt::Display| {
        format!("not a complete PyTorch checkpoint: {error}; download it again")
    };
    let mut archive =
        zip::ZipArchive::new(std::io::Cursor::new(map)).map_err(|error| broken(&error))?;
    let mut pickles = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| broken(&error))?;
        let is_pickle = entry
            .name()
            .map_err(|error| broken(&error))?
            .ends_with(".pkl");
        if !is_pickle {
            continue;
        }
        if entry.size() > pytorch_reader::MAX_PICKLE_SIZE {
            return Err(format!(
                "its pickle has {} bytes, more than any list of tensors needs",
                entry.size()
            ));
        }
        let mut bytes = Vec::new();
        entry
            .take(pytorch_reader::MAX_PICKLE_SIZE)
            .read_to_end(&mut bytes)
            .map_err(|error| broken(&error))?;
        pickles.push(bytes);
    }
    Ok(pickles)
}
