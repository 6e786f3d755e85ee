//! The feed-forward layers of the encoder and decoder.

use burn::Tensor;
use burn::module::Module;
use kernels::{Dropout, Input};

use crate::checkpoint::CheckpointError;
use crate::layers::{Linear, Loader};

/// Two linear layers with a ReLU in between.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// In [F, C].
    pub fc1: Linear,
    /// Out [C, F].
    pub fc2: Linear,
}

impl FeedForward {
    /// `residual` + the layers' output: [T, C]. `masks` are those of their adapters.
    pub fn forward(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        masks: [Option<Dropout>; 2],
    ) -> Tensor<2> {
        let inner = Input::Plain(self.fc1.apply_relu(x, masks[0]));
        self.fc2.onto(inner, residual, masks[1])
    }
}

/// Reads the feed-forward layers of the layer `prefix`.
pub(super) fn feed_forward(
    loader: &Loader<'_>,
    prefix: &str,
    width: usize,
    inner: usize,
) -> Result<FeedForward, CheckpointError> {
    Ok(FeedForward {
        fc1: loader.linear(&format!("{prefix}.fc1"), [inner, width], true)?,
        fc2: loader.linear(&format!("{prefix}.fc2"), [width, inner], true)?,
    })
}
