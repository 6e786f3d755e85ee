//! Context shared by the blocks of a forward pass.

use std::sync::Arc;

use burn::Tensor;
use burn::module::Module;
use kernels::{Dropout, KvCache, RotaryTable, Segments, Sight, Slot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The tokens of its sequence that a decoder's token attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Attention {
    /// Itself and those before it, as in pre-training.
    #[default]
    Causal,
    /// All, as in encoders; sliding windows do not apply.
    Bidirectional,
}

/// Everything about a forward pass except its hidden states.
#[derive(Debug, Clone)]
pub struct Context {
    /// The sequences.
    pub segments: Segments,
    /// The position of each token in its sequence.
    pub positions: Arc<[u32]>,
    /// Rotary angles of the positions; the model determines which blocks use which.
    pub rotary: Arc<[RotaryTable]>,
    /// The visible tokens.
    pub attention: Attention,
    /// Dropout of the adapters; `None` for no dropout.
    pub dropout_seed: Option<u64>,
}

/// A forward pass.
pub struct Pass<'a> {
    /// Everything except its hidden states.
    pub context: Context,
    /// Whether blocks store only their input for the backward pass.
    pub recompute: bool,
    /// Keys and values of earlier tokens, and the slot of each segment.
    pub cache: Option<(&'a mut KvCache, &'a [Slot])>,
}

impl Pass<'_> {
    /// Attention of block `layer`: queries [T, H, D], keys and values [T, KV, D] → [T, H, D].
    pub fn attend(
        &mut self,
        [q, k, v]: [Tensor<3>; 3],
        layer: usize,
        scale: f32,
        window: Option<usize>,
    ) -> Tensor<3> {
        let sight = match (self.context.attention, window) {
            (Attention::Bidirectional, _) => Sight::Both,
            (Attention::Causal, Some(size)) => Sight::Window(size),
            (Attention::Causal, None) => Sight::Causal,
        };
        let segments = &self.context.segments;
        match &mut self.cache {
            Some((cache, slots)) => {
                kernels::cached_attention(q, k, v, segments, cache, layer, slots, scale, sight)
            }
            None => kernels::attention(q, k, v, segments, scale, sight),
        }
    }

    /// The dropout mask for the adapters at `place` of block `layer`; the rate is that of the
    /// adapters.
    pub fn mask(&self, layer: usize, place: u64) -> Option<Dropout> {
        let seed = self.context.dropout_seed?;
        Some(Dropout { share: 0.0, seed }.at(layer as u64).at(place))
    }
}

/// A block of a model: hidden states [T, C] → [T, C].
pub trait Block: Module + Sync + 'static {
    /// Applies block number `layer`.
    fn forward(&self, x: Tensor<2>, layer: usize, pass: &mut Pass<'_>) -> Tensor<2>;
}

/// All blocks, first to last.
pub(crate) fn run_blocks<B: Block>(blocks: &[B], x: Tensor<2>, pass: &mut Pass<'_>) -> Tensor<2> {
    let numbered = blocks.iter().enumerate();
    numbered.fold(x, |x, (layer, block)| run_block(block, x, layer, pass))
}

/// Block number `layer`, recomputed in the backward pass if the pass says so.
pub(crate) fn run_block<B: Block>(
    block: &B,
    x: Tensor<2>,
    layer: usize,
    pass: &mut Pass<'_>,
) -> Tensor<2> {
    match pass.recompute && pass.cache.is_none() {
        false => block.forward(x, layer, pass),
        true => {
            let context = pass.context.clone();
            kernels::recomputed(x, block, move |block, x| {
                let mut pass = Pass {
                    context: context.clone(),
                    recompute: false,
                    cache: None,
                };
                block.forward(x, layer, &mut pass)
            })
        }
    }
}
