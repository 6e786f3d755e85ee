//! Hugging Face model directories: configuration, weights (safetensors or PyTorch files, single or
//! sharded), tokenizer, chat template, generation defaults.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;

use crate::checkpoint::{Checkpoint, CheckpointError, convert};
use crate::decoders::TokenIds;
use crate::pytorch::PytorchCheckpoint;

/// Location of a tensor.
#[derive(Debug, Clone)]
struct Place {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Byte range in the file.
    start: usize,
    end: usize,
}

/// The weights of a model directory, memory-mapped.
#[derive(Debug)]
pub struct SafetensorsCheckpoint {
    directory: PathBuf,
    files: Vec<Mmap>,
    tensors: BTreeMap<String, Place>,
}

/// Name of the weights if they are a single file.
pub(crate) const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// The same in the format of PyTorch.
const PYTORCH_SINGLE: &str = "pytorch_model.bin";
const PYTORCH_INDEX: &str = "pytorch_model.bin.index.json";

/// The weights of a model directory: safetensors if available, otherwise PyTorch files.
pub fn open_weights(directory: &Path) -> Result<Box<dyn Checkpoint>, CheckpointError> {
    if let Some(files) = WeightFiles::find(directory, SINGLE, INDEX)? {
        let checkpoint = SafetensorsCheckpoint::open_listed(directory, &files)?;
        return Ok(Box::new(checkpoint));
    }
    if let Some(files) = WeightFiles::find(directory, PYTORCH_SINGLE, PYTORCH_INDEX)? {
        let checkpoint = PytorchCheckpoint::open(directory, &files.paths, None)?;
        files.check_complete(&checkpoint)?;
        return Ok(Box::new(checkpoint));
    }
    Err(CheckpointError::file(
        directory,
        format!(
            "contains no weights: none of {SINGLE}, {INDEX}, {PYTORCH_SINGLE} and \
             {PYTORCH_INDEX} exists"
        ),
    ))
}

/// The files in which weights are stored, and the tensors listed in their index.
struct WeightFiles {
    paths: Vec<PathBuf>,
    index: Option<(PathBuf, Index)>,
}

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl WeightFiles {
    /// The file `single` of a directory, or the shards named in `index`; `None` if neither exists.
    fn find(directory: &Path, single: &str, index: &str) -> Result<Option<Self>, CheckpointError> {
        let single = directory.join(single);
        if single.is_file() {
            let paths = vec![single];
            return Ok(Some(Self { paths, index: None }));
        }
        let index_path = directory.join(index);
        let text = match std::fs::read_to_string(&index_path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CheckpointError::file(index_path, error)),
        };
        let index: Index = serde_json::from_str(&text)
            .map_err(|error| CheckpointError::file(&index_path, error))?;
        let mut names: Vec<&String> = index.weight_map.values().collect();
        names.sort();
        names.dedup();
        if let Some(name) = names
            .iter()
            .find(|name| Path::new(name).components().count() != 1)
        {
            return Err(CheckpointError::file(
                index_path,
                format!("shard `{name}` is not a file next to the index"),
            ));
        }
        let paths = names.iter().map(|name| directory.join(name)).collect();
        let index = Some((index_path, index));
        Ok(Some(Self { paths, index }))
    }

    /// Whether the index lists tensor `name` in another file than this. Some exporters store a
    /// shared tensor in two files and list one.
    fn elsewhere(&self, name: &str, file: &Path) -> bool {
        let listed = self
            .index
            .as_ref()
            .and_then(|(_, index)| index.weight_map.get(name));
        listed.is_some_and(|listed| file.file_name() != Some(listed.as_ref()))
    }

    /// Fails if the index lists a tensor that no file contains.
    fn check_complete(&self, checkpoint: &dyn Checkpoint) -> Result<(), CheckpointError> {
        let Some((path, index)) = &self.index else {
            return Ok(());
        };
        match index
            .weight_map
            .keys()
            .find(|name| !checkpoint.contains(name))
        {
            None => Ok(()),
            Some(name) => Err(CheckpointError::Missing {
                path: path.clone(),
                name: name.clone(),
            }),
        }
    }
}

impl SafetensorsCheckpoint {
    /// Opens `model.safetensors`, or the shards named in `model.safetensors.index.json`.
    pub fn open(directory: &Path) -> Result<Self, CheckpointError> {
        let Some(files) = WeightFiles::find(directory, SINGLE, INDEX)? else {
            let message = format!("contains no weights: neither {SINGLE} nor {INDEX} exists");
            return Err(CheckpointError::file(directory, message));
        };
        Self::open_listed(directory, &files)
    }

    /// Opens the files of a checkpoint, which must hold what their index lists.
    fn open_listed(directory: &Path, files: &WeightFiles) -> Result<Self, CheckpointError> {
        let checkpoint = Self::open_where(directory, &files.paths, |name, path| {
            files.elsewhere(name, path)
        })?;
        files.check_complete(&checkpoint)?;
        Ok(checkpoint)
    }

    /// Opens these safetensors files as one checkpoint.
    pub fn open_files(directory: &Path, paths: &[PathBuf]) -> Result<Self, CheckpointError> {
        Self::open_where(directory, paths, |_, _| false)
    }

    /// [`SafetensorsCheckpoint::open_files`] without the tensors of a file that `elsewhere` names.
    fn open_where(
        directory: &Path,
        paths: &[PathBuf],
        elsewhere: impl Fn(&str, &Path) -> bool,
    ) -> Result<Self, CheckpointError> {
        let mut files = Vec::new();
        let mut tensors = BTreeMap::new();
        for (index, path) in paths.iter().enumerate() {
            let map = map(path)?;
            for (name, place) in
                places(&map, index).map_err(|message| CheckpointError::file(path, message))?
            {
                if elsewhere(&name, path) {
                    continue;
                }
                if tensors.insert(name.clone(), place).is_some() {
                    let message = format!("tensor `{name}` is stored in two files");
                    return Err(CheckpointError::file(path, message));
                }
            }
            files.push(map);
        }
        Ok(Self {
            directory: directory.to_path_buf(),
            files,
            tensors,
        })
    }

    /// The shape of a tensor, if it exists.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|place| place.shape.as_slice())
    }
}

fn map(path: &Path) -> Result<Mmap, CheckpointError> {
    let file = File::open(path).map_err(|error| CheckpointError::file(path, error))?;
    // SAFETY: the map is read-only and any bytes in it are valid numbers.
    unsafe { Mmap::map(&file) }.map_err(|error| CheckpointError::file(path, error))
}

/// Reads the header of a safetensors file, which checks that all tensors lie within it.
fn places(map: &Mmap, file: usize) -> Result<Vec<(String, Place)>, String> {
    let (header, metadata) = SafeTensors::read_metadata(map)
        .map_err(|error| format!("not a complete safetensors file: {error}"))?;
    let data = header + 8;
    metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| {
            let (start, end) = (data + info.data_offsets.0, data + info.data_offsets.1);
            if end > map.len() {
                return Err(format!(
                    "the file is truncated: tensor `{name}` ends at byte {end}, the file at byte {}",
                    map.len()
                ));
            }
            let shape = info.shape.clone();
            Ok((name, Place { file, dtype: info.dtype, shape, start, end }))
        })
        .collect()
}

impl Checkpoint for SafetensorsCheckpoint {
    fn path(&self) -> PathBuf {
        self.directory.clone()
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.tensors.get(name)?.shape.clone())
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let place = self
            .tensors
            .get(name)
            .ok_or_else(|| CheckpointError::Missing {
                path: self.path(),
                name: name.to_owned(),
            })?;
        if place.shape != shape {
            return Err(CheckpointError::Shape {
                path: self.path(),
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: place.shape.clone(),
            });
        }
        let bytes = &self.files[place.file][place.start..place.end];
        match place.dtype {
            Dtype::F32 => Ok(convert(bytes, f32::from_le_bytes)),
            Dtype::F16 => Ok(convert(bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
            Dtype::BF16 => Ok(convert(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
            other => Err(CheckpointError::Format {
                path: self.path(),
                name: name.to_owned(),
                format: format!("{other:?}"),
                supported: "F32, F16 or BF16",
            }),
        }
    }
}

/// Reads a JSON file; `None` if it does not exist.
pub(crate) fn read_json(path: &Path) -> Result<Option<Value>, CheckpointError> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| CheckpointError::file(path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CheckpointError::file(path, error)),
    }
}

/// What is wrong with a model directory that has no `tokenizer.json`, and the remedy.
pub(crate) fn without_tokenizer_json(directory: &Path) -> String {
    let others = ["tokenizer.model", "vocab.json", "vocab.txt", "spiece.model"];
    let found = others.iter().find(|name| directory.join(name).is_file());
    let remedy = "let Transformers write one: AutoTokenizer.from_pretrained(DIR)\
                  .save_pretrained(DIR)";
    match found {
        Some(name) => format!("has {name}, but no tokenizer.json, which is what is read; {remedy}"),
        None => format!(
            "has no tokenizer.json; copy it from the model that this one was made from, or {remedy}"
        ),
    }
}

/// [`chat_template`] of a directory of which nothing else is read.
pub(crate) fn own_template(directory: &Path) -> Result<Option<String>, CheckpointError> {
    let tokenizer_config = read_json(&directory.join("tokenizer_config.json"))?;
    chat_template(directory, tokenizer_config.as_ref())
}

/// The chat template of a directory: `chat_template.jinja`, or the key in `tokenizer_config.json`,
/// which is a string or a list of named templates, of which `default` is used.
pub(crate) fn chat_template(
    directory: &Path,
    tokenizer_config: Option<&Value>,
) -> Result<Option<String>, CheckpointError> {
    let path = directory.join("chat_template.jinja");
    match std::fs::read_to_string(&path) {
        Ok(text) => return Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(CheckpointError::file(path, error)),
    }
    let template = match tokenizer_config.and_then(|config| config.get("chat_template")) {
        Some(Value::String(text)) => Some(text.as_str()),
        Some(Value::Array(named)) => named
            .iter()
            .find(|entry| entry["name"] == "default")
            .or(named.first())
            .and_then(|entry| entry["template"].as_str()),
        _ => None,
    };
    Ok(template.map(str::to_owned))
}

/// `eos_token_id` of `generation_config.json`: an id or a list.
pub(crate) fn generation_eos(directory: &Path) -> Result<Option<Vec<u32>>, CheckpointError> {
    #[derive(Deserialize)]
    struct GenerationConfig {
        eos_token_id: Option<TokenIds>,
    }
    let path = directory.join("generation_config.json");
    let Some(json) = read_json(&path)? else {
        return Ok(None);
    };
    let config: GenerationConfig =
        serde_json::from_value(json).map_err(|error| CheckpointError::file(path, error))?;
    Ok(config.eos_token_id.map(TokenIds::into_vec))
}
