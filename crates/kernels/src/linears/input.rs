//! Inputs of linear layers: a tensor, or a norm or activation of one.

use burn::Tensor;
use burn::backend::DispatchTensor;
use burn_flex::FlexTensor;

use crate::activation::{self, Activation};
use crate::cpu::parallel::{TASK, for_each_item};
use crate::flex::{dims, values};
use crate::gated::{self, Gate};
use crate::pool::Values;
use crate::{layer_norm, rms_norm};

/// The input [T, in] of linear layers, recomputed in the backward pass instead of stored.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and none is stored"
)]
pub enum Input {
    /// A tensor as it is.
    Plain(Tensor<2>),
    /// [`crate::rms_norm()`].
    RmsNorm {
        /// The tensor to normalise [T, in].
        x: Tensor<2>,
        /// `[in]`.
        gain: Tensor<1>,
        /// ε.
        epsilon: f64,
    },
    /// [`crate::layer_norm()`].
    LayerNorm {
        /// The tensor to normalise [T, in].
        x: Tensor<2>,
        /// `[in]`.
        gain: Tensor<1>,
        /// `[in]`.
        bias: Tensor<1>,
        /// ε.
        epsilon: f64,
    },
    /// [`crate::activate`].
    Activated {
        /// Its argument [T, in].
        x: Tensor<2>,
        /// The function.
        activation: Activation,
    },
    /// [`crate::gated()`].
    Gated {
        /// The gate, the argument of the activation [T, in].
        gate: Tensor<2>,
        /// The tensor that it multiplies [T, in].
        up: Tensor<2>,
        /// The function.
        activation: Gate,
    },
}

impl Input {
    /// The tensor it is computed from; the gate, for a gated activation.
    pub fn source(&self) -> &Tensor<2> {
        match self {
            Self::Plain(x)
            | Self::RmsNorm { x, .. }
            | Self::LayerNorm { x, .. }
            | Self::Activated { x, .. }
            | Self::Gated { gate: x, .. } => x,
        }
    }

    /// The input as a tensor.
    pub fn computed(self) -> Tensor<2> {
        match self {
            Self::Plain(x) => x,
            Self::RmsNorm { x, gain, epsilon } => crate::rms_norm(x, gain, epsilon),
            Self::LayerNorm {
                x,
                gain,
                bias,
                epsilon,
            } => crate::layer_norm(x, gain, bias, epsilon),
            Self::Activated { x, activation } => crate::activate(x, activation),
            Self::Gated {
                gate,
                up,
                activation,
            } => crate::gated(gate, up, activation),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match *self {
            Self::Plain(_) => Kind::Plain,
            Self::RmsNorm { epsilon, .. } => Kind::RmsNorm(epsilon as f32),
            Self::LayerNorm { epsilon, .. } => Kind::LayerNorm(epsilon as f32),
            Self::Activated { activation, .. } => Kind::Activated(activation),
            Self::Gated { activation, .. } => Kind::Gated(activation),
        }
    }

    /// Its tensors, with `nothing` in place of missing ones.
    pub(super) fn into_tensors(self, nothing: impl Fn() -> DispatchTensor) -> [DispatchTensor; 3] {
        match self {
            Self::Plain(x) | Self::Activated { x, .. } => [x.into_dispatch(), nothing(), nothing()],
            Self::RmsNorm { x, gain, .. } => {
                assert_eq!(x.dims()[1], gain.dims()[0], "width of the normalised rows");
                [x.into_dispatch(), gain.into_dispatch(), nothing()]
            }
            Self::LayerNorm { x, gain, bias, .. } => {
                let [_, width] = x.dims();
                assert_eq!(gain.dims(), [width], "width of the normalised rows");
                assert_eq!(bias.dims(), [width], "width of the normalised rows");
                [
                    x.into_dispatch(),
                    gain.into_dispatch(),
                    bias.into_dispatch(),
                ]
            }
            Self::Gated { gate, up, .. } => {
                assert_eq!(gate.dims(), up.dims(), "sizes of gate and up");
                [gate.into_dispatch(), up.into_dispatch(), nothing()]
            }
        }
    }
}

/// [`Input`] without its tensors; norms include ε.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Plain,
    RmsNorm(f32),
    LayerNorm(f32),
    Activated(Activation),
    Gated(Gate),
}

/// The tensors of an [`Input`], contiguous; empty if missing.
#[derive(Debug, Clone)]
pub(super) struct Operand([FlexTensor; 3]);

impl Operand {
    pub fn new(tensors: [FlexTensor; 3]) -> Self {
        Self(tensors)
    }

    /// Like [`Input::source`].
    pub fn source(&self) -> &FlexTensor {
        &self.0[0]
    }

    pub fn computed(&self, kind: Kind) -> FlexTensor {
        let [x, second, third] = &self.0;
        match kind {
            Kind::Plain => x.clone(),
            Kind::RmsNorm(epsilon) => rms_norm::forward(x, second, epsilon),
            Kind::LayerNorm(epsilon) => layer_norm::forward(x, second, third, epsilon),
            Kind::Activated(activation) => activation::forward(x, activation),
            Kind::Gated(activation) => gated::forward(x, second, activation),
        }
    }

    /// Gradients of the tensors, given the gradient of the computed input, and that of the source
    /// from its other uses.
    pub fn differentiate(
        &self,
        kind: Kind,
        gradient: Values,
        of_source: Option<FlexTensor>,
    ) -> [Option<FlexTensor>; 3] {
        let [x, second, third] = &self.0;
        let (mut dx, second, third) = match kind {
            Kind::Plain => (gradient, None, None),
            Kind::RmsNorm(epsilon) => {
                let (dx, gain) = rms_norm::backward(x, second, epsilon, &gradient);
                (dx, Some(gain), None)
            }
            Kind::LayerNorm(epsilon) => {
                let (dx, [gain, bias]) = layer_norm::backward(x, second, epsilon, &gradient);
                debug_assert_eq!(values(third).len(), bias.len());
                (dx, Some(gain), Some(bias))
            }
            Kind::Activated(activation) => {
                (activation::backward(x, activation, &gradient), None, None)
            }
            Kind::Gated(activation) => {
                let [gate, up] = gated::backward(x, second, activation, &gradient);
                (gate, Some(up), None)
            }
        };
        if let Some(other) = of_source {
            add(&mut dx, values(&other));
        }
        let shape: [usize; 2] = dims(x);
        let second = second.map(|gradient| match kind {
            Kind::Gated(_) => gradient.into_tensor(shape),
            _ => gradient.into_tensor([shape[1]]),
        });
        let third = third.map(|gradient| gradient.into_tensor([shape[1]]));
        [Some(dx.into_tensor(shape)), second, third]
    }
}

fn add(sum: &mut [f32], other: &[f32]) {
    for_each_item(
        sum.chunks_mut(TASK).zip(other.chunks(TASK)),
        |(sum, other)| {
            for (sum, value) in sum.iter_mut().zip(other) {
                *sum += value;
            }
        },
    );
}
