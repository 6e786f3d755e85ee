//! Reads the parts of a model from a checkpoint.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use burn::Tensor;
use burn::module::Param;
use burn::tensor::{Device, TensorData};

use super::{Embedding, LayerNorm, Linear, RmsNorm};
use crate::checkpoint::{Checkpoint, CheckpointError, finite_tensor, reject_unexpected};

/// Replaces a linear layer, given its full name.
pub(crate) type MapLayer<'a> = dyn FnMut(&str, Linear) -> Result<Linear, CheckpointError> + 'a;

/// The parts of a language model that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// All of it.
    Whole,
    /// What hidden states need: all but the output layer.
    States,
}

/// Reads the parts of a model by name; tensors that are not requested do not belong to it.
pub(crate) struct Loader<'a> {
    pub checkpoint: &'a dyn Checkpoint,
    pub device: &'a Device,
    map: RefCell<&'a mut MapLayer<'a>>,
    parts: Parts,
    asked: RefCell<HashSet<String>>,
    /// Prefix of names that the checkpoint omits.
    left_out: Cell<Option<&'static str>>,
    /// Prefix that the checkpoint puts before all names.
    added: Cell<&'static str>,
}

impl<'a> Loader<'a> {
    /// Each linear layer is passed through `map` as soon as it is read, so that only one is in
    /// memory twice.
    pub fn new(
        checkpoint: &'a dyn Checkpoint,
        device: &'a Device,
        map: &'a mut MapLayer<'a>,
    ) -> Self {
        Self {
            checkpoint,
            device,
            map: RefCell::new(map),
            parts: Parts::Whole,
            asked: RefCell::default(),
            left_out: Cell::new(None),
            added: Cell::new(""),
        }
    }

    /// Reads these parts alone; the others may be missing.
    pub fn reading(self, parts: Parts) -> Self {
        Self { parts, ..self }
    }

    /// From now on, names are looked up without the prefix `root`, unless the checkpoint contains
    /// the tensor `probe`.
    pub fn root(&self, root: &'static str, probe: &str) {
        if !self.checkpoint.contains(probe) {
            self.left_out.set(Some(root));
        }
    }

    /// From now on, names are looked up with the prefix `root` before them.
    pub fn under(&self, root: &'static str) {
        self.added.set(root);
    }

    /// Whether the checkpoint contains the tensor `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.checkpoint.contains(&self.stored_name(name))
    }

    /// The name under which the checkpoint stores the tensor `name`.
    fn stored_name(&self, name: &str) -> String {
        let left_out = self.left_out.get();
        let name = left_out
            .and_then(|root| name.strip_prefix(root))
            .unwrap_or(name);
        format!("{}{name}", self.added.get())
    }

    /// `{name}.weight` \[outputs, inputs\] and with `bias` `{name}.bias` \[outputs\], mapped.
    pub fn linear(
        &self,
        name: &str,
        shape: [usize; 2],
        bias: bool,
    ) -> Result<Linear, CheckpointError> {
        let bias = self.bias(name, shape, bias)?;
        let weight = self.parameter(&format!("{name}.weight"), shape)?;
        (self.map.borrow_mut())(name, Linear::new(weight, bias))
    }

    /// [`Loader::linear`] with the weight stored as [inputs, outputs]: a `Conv1D` of Transformers.
    pub fn transposed_linear(
        &self,
        name: &str,
        shape @ [outputs, inputs]: [usize; 2],
        bias: bool,
    ) -> Result<Linear, CheckpointError> {
        let bias = self.bias(name, shape, bias)?;
        let weight = self.tensor(&format!("{name}.weight"), [inputs, outputs])?;
        // A view would be copied in each product.
        let weight = Tensor::from_data(weight.transpose().into_data(), self.device);
        let weight = Param::from_tensor(weight);
        (self.map.borrow_mut())(name, Linear::new(weight, bias))
    }

    fn bias(
        &self,
        name: &str,
        [outputs, _]: [usize; 2],
        bias: bool,
    ) -> Result<Option<Param<Tensor<1>>>, CheckpointError> {
        let read = || self.parameter(&format!("{name}.bias"), [outputs]);
        bias.then(read).transpose()
    }

    /// An output layer [V, C] without bias, which is never mapped; `None` if it is not to be read,
    /// or is `tied` to the token table `tokens`, of which a checkpoint may contain a copy.
    pub fn output_layer(
        &self,
        name: &str,
        shape: [usize; 2],
        tied: bool,
        tokens: &str,
    ) -> Result<Option<Linear>, CheckpointError> {
        let weight = format!("{name}.weight");
        if self.parts == Parts::States {
            self.asked.borrow_mut().insert(self.stored_name(&weight));
            return Ok(None);
        }
        if tied {
            let read = |name: &str| self.checkpoint.tensor(&self.stored_name(name), &shape);
            if self.contains(&weight) && read(&weight)? != read(&format!("{tokens}.weight"))? {
                return Err(CheckpointError::Untied {
                    path: self.checkpoint.path(),
                    output: weight,
                    tokens: format!("{tokens}.weight"),
                });
            }
            self.asked.borrow_mut().insert(self.stored_name(&weight));
            return Ok(None);
        }
        Ok(Some(Linear::new(self.parameter(&weight, shape)?, None)))
    }

    /// `{name}.weight` [rows, C].
    pub fn embedding(&self, name: &str, shape: [usize; 2]) -> Result<Embedding, CheckpointError> {
        let weight = self.parameter(&format!("{name}.weight"), shape)?;
        Ok(Embedding { weight })
    }

    /// `{name}.weight`, `width` values.
    pub fn rms_norm(
        &self,
        name: &str,
        width: usize,
        epsilon: f64,
        unit_offset: bool,
    ) -> Result<RmsNorm, CheckpointError> {
        Ok(RmsNorm {
            weight: self.parameter(&format!("{name}.weight"), [width])?,
            epsilon,
            unit_offset,
        })
    }

    /// `{name}.weight` and `{name}.bias`, `width` values each; TensorFlow's names of them, which
    /// checkpoints of the first BERT have, are `gamma` and `beta`.
    pub fn layer_norm(
        &self,
        name: &str,
        width: usize,
        epsilon: f64,
    ) -> Result<LayerNorm, CheckpointError> {
        let [weight, bias] = match self.contains(&format!("{name}.weight")) {
            false if self.contains(&format!("{name}.gamma")) => ["gamma", "beta"],
            _ => ["weight", "bias"],
        };
        Ok(LayerNorm {
            weight: self.parameter(&format!("{name}.{weight}"), [width])?,
            bias: self.parameter(&format!("{name}.{bias}"), [width])?,
            epsilon,
        })
    }

    /// A trainable parameter.
    pub fn parameter<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Param<Tensor<D>>, CheckpointError> {
        Ok(Param::from_tensor(self.tensor(name, shape)?))
    }

    fn tensor<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Tensor<D>, CheckpointError> {
        let name = self.stored_name(name);
        let values = finite_tensor(self.checkpoint, &name, &shape)?;
        self.asked.borrow_mut().insert(name);
        Ok(Tensor::from_data(
            TensorData::new(values, shape),
            self.device,
        ))
    }

    /// Fails if the checkpoint contains tensors that were not requested, except those accepted by
    /// `ignored` (buffers stored by older exporters).
    pub fn finish(self, ignored: impl Fn(&str) -> bool) -> Result<(), CheckpointError> {
        reject_unexpected(self.checkpoint, &self.asked.into_inner(), ignored)
    }
}
