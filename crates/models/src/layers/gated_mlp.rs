//! The MLP with a gated activation.

use burn::Tensor;
use burn::module::Module;
use kernels::{Gate, Input, Linears};

use super::{Linear, Loader, Pass, SelfAttention};
use crate::checkpoint::CheckpointError;

/// down(activation(gate(x)) · up(x)) (Shazeer 2020, arXiv 2002.05202).
#[derive(Module, Debug)]
pub struct GatedMlp {
    /// Gate [F, C].
    pub gate_proj: Linear,
    /// Up [F, C].
    pub up_proj: Linear,
    /// Down [C, F].
    pub down_proj: Linear,
    #[module(skip)]
    activation: Gate,
}

impl GatedMlp {
    /// Reads `{name}.gate_proj` etc., with sizes C and F.
    pub(crate) fn load(
        loader: &Loader<'_>,
        name: &str,
        [width, inner]: [usize; 2],
        bias: bool,
        activation: Gate,
    ) -> Result<Self, CheckpointError> {
        let linear = |part: &str, shape| loader.linear(&format!("{name}.{part}"), shape, bias);
        Ok(Self {
            gate_proj: linear("gate_proj", [inner, width])?,
            up_proj: linear("up_proj", [inner, width])?,
            down_proj: linear("down_proj", [width, inner])?,
            activation,
        })
    }

    /// The output for `input`, and the tensor that the input is computed from.
    pub fn forward(&self, input: Input, layer: usize, pass: &Pass<'_>) -> (Tensor<2>, Tensor<2>) {
        let (inner, source) = self.inner(input, layer, pass);
        (self.down_proj.apply(inner, pass.mask(layer, 6)), source)
    }

    /// [`GatedMlp::forward`] added to the tensor that the input is computed from, which is the
    /// result of the block ([`Linear::last_onto`]).
    pub fn last_onto(&self, input: Input, layer: usize, pass: &Pass<'_>) -> Tensor<2> {
        let (inner, source) = self.inner(input, layer, pass);
        self.down_proj.last_onto(inner, source, pass.mask(layer, 6))
    }

    fn inner(&self, input: Input, layer: usize, pass: &Pass<'_>) -> (Input, Tensor<2>) {
        let layers = [&self.gate_proj, &self.up_proj];
        let Linears {
            outputs: [gate, up],
            source,
        } = Linear::each(layers, input, pass.mask(layer, 4));
        let inner = Input::Gated {
            gate,
            up,
            activation: self.activation,
        };
        (inner, source)
    }

    /// Its layers, by their names within the MLP.
    pub fn linears_mut(&mut self) -> [(&'static str, &mut Linear); 3] {
        [
            ("gate_proj", &mut self.gate_proj),
            ("up_proj", &mut self.up_proj),
            ("down_proj", &mut self.down_proj),
        ]
    }
}

/// The linear layers of a block's `self_attn` and `mlp`, by their names within the block.
pub(crate) fn attention_and_mlp<'a>(
    attention: &'a mut SelfAttention,
    mlp: &'a mut GatedMlp,
) -> Vec<(String, &'a mut Linear)> {
    let attention = attention.linears_mut().into_iter();
    let attention = attention.map(|(name, layer)| (format!("self_attn.{name}"), layer));
    let mlp = mlp.linears_mut().into_iter();
    let mlp = mlp.map(|(name, layer)| (format!("mlp.{name}"), layer));
    attention.chain(mlp).collect()
}
