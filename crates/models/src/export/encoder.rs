//! Writing encoders as Transformers reads them.

use std::path::Path;
use std::sync::Mutex;

use burn::Tensor;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Device;

use super::files::Folder;
use super::weights::Values;
use super::{ExportError, StoredFormat};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::encoders::EncoderNetwork;
use crate::huggingface::{SINGLE, open_weights};
use crate::layers::NamedLinears;
use crate::layers::WeightForm;

/// Endings of the files of an encoder that are not its weights.
const ENDINGS: [&str; 4] = [".json", ".model", ".txt", ".md"];

/// Writes the Hugging Face directory of an encoder that was loaded from the one at `origin`: its
/// weights with adapters merged, under the names they have there, and the other files as they are.
/// Parts of the model that an encoder lacks, such as a decoder, are left out.
///
/// `config.json` is written last: a directory without one is unfinished.
pub fn save_encoder(
    network: &EncoderNetwork,
    origin: &Path,
    directory: &Path,
    format: StoredFormat,
) -> Result<(), ExportError> {
    if network.is_packed() {
        return Err(ExportError::Packed);
    }
    let folder = Folder::create(directory)?;
    let mut values = Collect(Vec::new());
    network.valid().merge_lora().visit(&mut values);
    let names = names(network, origin)?;
    let tensors = names.into_iter().zip(values.0).collect();
    folder.weights(SINGLE, tensors, format)?;
    let read = |error| CheckpointError::file(origin, error);
    let mut config = None;
    for entry in std::fs::read_dir(origin).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let of_weights = name.ends_with(".index.json");
        if !path.is_file() || of_weights || !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| CheckpointError::file(&path, error))?;
        match name {
            "config.json" => config = Some(bytes),
            name => folder.bytes(name, &bytes)?,
        }
    }
    let missing = || CheckpointError::file(origin.join("config.json"), "does not exist");
    folder.bytes("config.json", &config.ok_or_else(missing)?)
}

/// The names that the parameters of `network`, in the order of a visit, have in the checkpoint it
/// was loaded from: a twin is loaded in which the values of each tensor are its number.
fn names(network: &EncoderNetwork, origin: &Path) -> Result<Vec<String>, CheckpointError> {
    let numbered = Numbered {
        checkpoint: open_weights(origin)?,
        names: Mutex::default(),
    };
    let form = WeightForm::Parameters;
    let twin = EncoderNetwork::load_as(network.config(), &numbered, &Device::flex(), form)?;
    let mut numbers = First(Vec::new());
    twin.visit(&mut numbers);
    let names = (numbered.names.into_inner()).unwrap_or_else(|poisoned| poisoned.into_inner());
    let numbers = numbers.0.into_iter();
    Ok(numbers
        .map(|number| names[number as usize].clone())
        .collect())
}

/// A checkpoint whose tensors hold the number of their name, in the order they are asked for.
struct Numbered {
    checkpoint: Box<dyn Checkpoint>,
    names: Mutex<Vec<String>>,
}

impl Checkpoint for Numbered {
    fn path(&self) -> std::path::PathBuf {
        self.checkpoint.path()
    }

    fn names(&self) -> Vec<String> {
        self.checkpoint.names()
    }

    fn contains(&self, name: &str) -> bool {
        self.checkpoint.contains(name)
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let lock = self.names.lock();
        let mut names = lock.unwrap_or_else(|poisoned| poisoned.into_inner());
        names.push(name.to_owned());
        let number = (names.len() - 1) as f32;
        Ok(vec![number; shape.iter().product()])
    }
}

/// All parameters.
struct Collect(Vec<Values>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(Values::new(param.val()));
    }
}

/// The first value of each parameter.
struct First(Vec<f32>);

impl ModuleVisitor for First {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let first = param.val().into_data().iter::<f32>().next();
        self.0.push(first.unwrap_or_default());
    }
}
