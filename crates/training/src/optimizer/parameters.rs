//! A module's trainable parameters by name, and their safetensors files.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use artefacts::ArtefactError;
use burn::Tensor;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, TensorData};
use models::ParameterPath;
use safetensors::{Dtype, SafeTensors, View};

/// Tensors by name, each with its shape and its elements on one axis.
pub type NamedTensors = BTreeMap<String, (Vec<usize>, Tensor<1>)>;

/// Error returned when a file of tensors cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ParameterFileError {
    /// The file could not be read or written.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// Not a safetensors file, or a torn one.
    #[error("{}: {source}; delete the checkpoint it belongs to", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The problem.
        source: safetensors::SafeTensorError,
    },
    /// The file and the model do not belong together.
    #[error("{}: tensor {tensor} {problem}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// The problem.
        problem: String,
    },
}

/// Whether a parameter is trained.
pub(crate) fn is_trainable<const D: usize>(parameter: &Param<Tensor<D>>) -> bool {
    parameter.is_require_grad()
}

/// Every trainable parameter, as plain tensors that share the parameters' memory.
pub fn trainable<M: Module>(module: &M) -> NamedTensors {
    #[derive(Default)]
    struct Collect {
        path: ParameterPath,
        found: NamedTensors,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
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

/// The module in which exactly the parameters require gradients whose names `is_trained` accepts.
pub fn train_only<M: Module>(module: M, is_trained: impl Fn(&str) -> bool) -> M {
    struct Choose<F> {
        path: ParameterPath,
        is_trained: F,
    }
    impl<F: Fn(&str) -> bool> ModuleMapper for Choose<F> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let is_trained = (self.is_trained)(&self.path.name());
            parameter.set_require_grad(is_trained)
        }
    }
    module.map(&mut Choose {
        path: ParameterPath::default(),
        is_trained,
    })
}

/// The module with an empty tensor in place of each parameter, which frees their memory unless
/// something else holds it.
pub fn without_parameters<M: Module>(module: M) -> M {
    struct Empty;
    impl ModuleMapper for Empty {
        fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
            Param::from_tensor(Tensor::zeros([0; D], &parameter.device())).set_require_grad(false)
        }
    }
    module.map(&mut Empty)
}

/// Puts tensors of the given names into the module's trainable parameters.
///
/// Every trainable parameter must be present with its shape; errors name `path`.
pub fn replace_trainable<M: Module>(
    module: M,
    tensors: NamedTensors,
    path: &Path,
) -> Result<M, ParameterFileError> {
    struct Replace<'a> {
        path: ParameterPath,
        tensors: NamedTensors,
        file: &'a Path,
        error: Option<ParameterFileError>,
    }
    impl ModuleMapper for Replace<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
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
        path: ParameterPath::default(),
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

/// Writes f32 tensors. Each tensor is copied to the host only while it is written.
pub fn write_tensors(path: &Path, tensors: &NamedTensors) -> Result<(), ParameterFileError> {
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
    // Hugging Face's loaders require this format.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize_to_file(views, Some(metadata), path)
        .map_err(|source| format(path, source))
}

/// Reads a file of f32 tensors onto `device`, as plain tensors.
pub fn read_tensors(path: &Path, device: &Device) -> Result<NamedTensors, ParameterFileError> {
    let bytes = fs::read(path).map_err(ArtefactError::io("read", path))?;
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
        let broken = values.iter().filter(|value| !value.is_finite()).count();
        if broken > 0 {
            let problem = format!("holds {broken} values that are not finite (NaN or infinite)");
            return Err(mismatch(path, name.to_string(), problem));
        }
        let elements = values.len();
        let tensor = Tensor::from_data(TensorData::new(values, [elements]), device).inner();
        tensors.insert(name.to_string(), (view.shape().to_vec(), tensor));
    }
    Ok(tensors)
}

fn format(path: &Path, source: safetensors::SafeTensorError) -> ParameterFileError {
    match source {
        safetensors::SafeTensorError::IoError(source) => {
            ArtefactError::io("write", path)(source).into()
        }
        source => ParameterFileError::Format {
            path: path.to_owned(),
            source,
        },
    }
}

fn mismatch(path: &Path, tensor: String, problem: String) -> ParameterFileError {
    ParameterFileError::Mismatch {
        path: path.to_owned(),
        tensor,
        problem,
    }
}
