//! The small parts of encoder and decoder layers, and how they are read.

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::Device;
use kernels::{PackedLinear, WeightFormat};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::linear::{Linear, parameter};

/// ε of all norms.
const EPSILON: f64 = 1e-5;

/// Layer norm.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Gain, C values.
    pub weight: Param<Tensor<1>>,
    /// Offset, C values.
    pub bias: Param<Tensor<1>>,
}

impl LayerNorm {
    /// [T, C] → [T, C].
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernels::layer_norm(x, self.weight.val(), self.bias.val(), EPSILON)
    }
}

/// Two linear layers with a ReLU between.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// In [F, C].
    pub fc1: Linear,
    /// Out [C, F].
    pub fc2: Linear,
}

impl FeedForward {
    /// `residual` + the layers' output: [T, C].
    pub fn forward(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        self.fc2.forward_onto(self.fc1.forward_relu(x), residual)
    }
}

/// Reads parts of a model.
pub struct Loader<'a> {
    pub checkpoint: &'a dyn Checkpoint,
    /// How weights are packed; `None` leaves them trainable.
    pub format: Option<WeightFormat>,
    pub device: &'a Device,
}

impl Loader<'_> {
    /// A linear layer [out, in].
    pub fn linear(
        &self,
        name: &str,
        shape: [usize; 2],
        bias: bool,
    ) -> Result<Linear, CheckpointError> {
        let layer = Linear::load(self.checkpoint, name, shape, bias, self.device)?;
        Ok(match self.format {
            Some(format) => layer.packed(format),
            None => layer,
        })
    }

    /// The token table [V, C], trainable or packed.
    pub fn table(
        &self,
        name: &str,
        shape: [usize; 2],
    ) -> Result<(Param<Tensor<2>>, Option<PackedLinear>), CheckpointError> {
        let table = parameter(self.checkpoint, name, shape, self.device)?;
        let Some(format) = self.format else {
            return Ok((table, None));
        };
        let packed = PackedLinear::new(table.val(), None, format);
        let nothing = Param::from_tensor(Tensor::zeros([0, 0], self.device));
        Ok((nothing, Some(packed)))
    }

    /// A layer norm over `width` values.
    pub fn norm(&self, name: &str, width: usize) -> Result<LayerNorm, CheckpointError> {
        let vector = |part: &str| {
            parameter(
                self.checkpoint,
                &format!("{name}.{part}"),
                [width],
                self.device,
            )
        };
        Ok(LayerNorm {
            weight: vector("weight")?,
            bias: vector("bias")?,
        })
    }

    /// The feed-forward layers of the layer `prefix`.
    pub fn feed_forward(
        &self,
        prefix: &str,
        width: usize,
        inner: usize,
    ) -> Result<FeedForward, CheckpointError> {
        Ok(FeedForward {
            fc1: self.linear(&format!("{prefix}.fc1"), [inner, width], true)?,
            fc2: self.linear(&format!("{prefix}.fc2"), [width, inner], true)?,
        })
    }
}
