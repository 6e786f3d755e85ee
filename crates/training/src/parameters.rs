//! A module's trainable parameters by name, and their safetensors files.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use burn::Tensor;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, TensorData};
use safetensors::{Dtype, SafeTensors, View};

/// Why a file of tensors could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ParameterFileError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What it said.
        source: std::io::Error,
    },
    /// Not a safetensors file, or a torn one.
    #[error("{path}: {source}; delete the checkpoint it belongs to")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// The file and the model do not belong together.
    #[error("{path}: tensor {tensor} {problem}")]
    Mismatch {
        /// The file.
        path: String,
        /// Name of the tensor.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The path of field names that leads to the parameter being visited.
#[derive(Default)]
pub(crate) struct FieldPath(Vec<String>);

impl FieldPath {
    pub(crate) fn enter(&mut self, name: &str) {
        self.0.push(name.to_string());
    }

    pub(crate) fn exit(&mut self) {
        self.0.pop();
    }

    /// The dotted name, as in checkpoints: `model.layers.0.self_attn.q_proj.weight`.
    pub(crate) fn name(&self) -> String {
        self.0.join(".")
    }
}

/// Whether a parameter is trained.
pub(crate) fn is_trainable<const D: usize>(parameter: &Param<Tensor<D>>) -> bool {
    parameter.is_require_grad()
}

/// Every trainable parameter: name → (shape, plain flat tensor that shares the parameter's memory).
pub fn trainable<M: Module>(module: &M) -> BTreeMap<String, (Vec<usize>, Tensor<1>)> {
    #[derive(Default)]
    struct Collect {
        path: FieldPath,
        found: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            if is_trainable(parameter) {
                let tensor = parameter.val().inner();
                let shape = tensor.dims().to_vec();
                self.found
                    .insert(self.path.name(), (shape, flatten(tensor)));
            }
        }
    }
    let mut collect = Collect::default();
    module.visit(&mut collect);
    collect.found
}

/// Puts tensors of the given names into the module's trainable parameters.
///
/// Every trainable parameter must be there with its shape; `path` is named in errors.
pub fn replace_trainable<M: Module>(
    module: M,
    tensors: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
    path: &Path,
) -> Result<M, ParameterFileError> {
    struct Replace<'a> {
        path: FieldPath,
        tensors: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
        file: &'a Path,
        error: Option<ParameterFileError>,
    }
    impl ModuleMapper for Replace<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !is_trainable(&parameter) {
                return parameter;
            }
            let name = self.path.name();
            let shape = parameter.dims();
            let problem = match self.tensors.remove(&name) {
                Some((found, tensor)) if found == shape => {
                    return parameter.map(|old| {
                        let device = old.device();
                        let new = tensor.reshape(shape).to_device(&device);
                        if device.is_autodiff() {
                            new.autodiff().require_grad()
                        } else {
                            new
                        }
                    });
                }
                Some((found, _)) => format!("has shape {found:?}, the model's has {shape:?}"),
                None => "is missing".to_string(),
            };
            self.error.get_or_insert(mismatch(self.file, name, problem));
            parameter
        }
    }
    let mut replace = Replace {
        path: FieldPath::default(),
        tensors,
        file: path,
        error: None,
    };
    let module = module.map(&mut replace);
    match replace.error {
        Some(error) => Err(error),
        None => Ok(module),
    }
}

/// The same elements on one axis, in the same memory.
pub(crate) fn flatten<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let elements = tensor.shape().num_elements();
    tensor.reshape([elements])
}

/// Writes f32 tensors. Each is brought to the host only while it is written.
pub fn write_tensors(
    path: &Path,
    tensors: &BTreeMap<String, (Vec<usize>, Tensor<1>)>,
) -> Result<(), ParameterFileError> {
    struct Lazy<'a>(&'a [usize], &'a Tensor<1>);
    impl View for Lazy<'_> {
        fn dtype(&self) -> Dtype {
            Dtype::F32
        }
        fn shape(&self) -> &[usize] {
            self.0
        }
        fn data(&self) -> Cow<'_, [u8]> {
            let data = self.1.to_data().convert::<f32>();
            Cow::Owned(data.as_bytes().to_vec())
        }
        fn data_len(&self) -> usize {
            self.0.iter().product::<usize>() * size_of::<f32>()
        }
    }
    let views = tensors
        .iter()
        .map(|(name, (shape, tensor))| (name, Lazy(shape, tensor)));
    // The format that Hugging Face's loaders insist on.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize_to_file(views, Some(metadata), path)
        .map_err(|source| format(path, source))
}

/// Reads a file of f32 tensors onto `device`, as plain tensors.
pub fn read_tensors(
    path: &Path,
    device: &Device,
) -> Result<BTreeMap<String, (Vec<usize>, Tensor<1>)>, ParameterFileError> {
    let bytes = fs::read(path).map_err(|source| ParameterFileError::Io {
        path: path.display().to_string(),
        source,
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|source| format(path, source))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            let problem = format!("is {:?}, expected F32", view.dtype());
            return Err(mismatch(path, name.to_string(), problem));
        }
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let elements = values.len();
        let tensor = Tensor::from_data(TensorData::new(values, [elements]), device).inner();
        tensors.insert(name.to_string(), (view.shape().to_vec(), tensor));
    }
    Ok(tensors)
}

fn format(path: &Path, source: safetensors::SafeTensorError) -> ParameterFileError {
    let path = path.display().to_string();
    match source {
        safetensors::SafeTensorError::IoError(source) => ParameterFileError::Io { path, source },
        source => ParameterFileError::Format { path, source },
    }
}

fn mismatch(path: &Path, tensor: String, problem: String) -> ParameterFileError {
    ParameterFileError::Mismatch {
        path: path.display().to_string(),
        tensor,
        problem,
    }
}
