//! Norms, and normalised inputs of linear layers.

use burn::Tensor;
use burn::module::{Module, Param};
use kernels::Input;

/// Root-mean-square norm (Zhang and Sennrich 2019, arXiv 1910.07467).
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// Gain, C values.
    pub weight: Param<Tensor<1>>,
    /// ε.
    pub epsilon: f64,
    /// Whether the gain is 1 + weight, as in Gemma.
    pub unit_offset: bool,
}

impl RmsNorm {
    /// [T, C] → [T, C].
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernels::rms_norm(x, self.gain(), self.epsilon)
    }

    /// The input of linear layers that follow the norm.
    pub fn input(&self, x: Tensor<2>) -> Input {
        Input::RmsNorm {
            x,
            gain: self.gain(),
            epsilon: self.epsilon,
        }
    }

    fn gain(&self) -> Tensor<1> {
        match self.unit_offset {
            true => self.weight.val() + 1.0,
            false => self.weight.val(),
        }
    }
}

/// Layer norm (Ba, Kiros and Hinton 2016, arXiv 1607.06450).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Gain, C values.
    pub weight: Param<Tensor<1>>,
    /// Offset, C values.
    pub bias: Param<Tensor<1>>,
    /// ε.
    pub epsilon: f64,
}

impl LayerNorm {
    /// [T, C] → [T, C].
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernels::layer_norm(x, self.weight.val(), self.bias.val(), self.epsilon)
    }

    /// The input of linear layers that follow the norm.
    pub fn input(&self, x: Tensor<2>) -> Input {
        Input::LayerNorm {
            x,
            gain: self.weight.val(),
            bias: self.bias.val(),
            epsilon: self.epsilon,
        }
    }
}
