//! A whole decoder block as one operation: norm, rotary attention, norm and SwiGLU MLP, each behind
//! a residual (the block of `modeling_llama.py` of Transformers).
//!
//! What single operations cannot do: an input that several layers multiply is packed once for all
//! of them, norms and activations are computed again in the backward pass instead of kept, residuals
//! are added where the products are written, and no gradient is copied to be summed.

mod adapters;
mod fast;
mod layers;
mod weights;

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn_flex::FlexTensor;

use crate::cpu::attention::Scoring;
use crate::flex::{contiguous, is_fast};
use crate::rotary::{RotaryTable, Turn};
use crate::{Dropout, FrozenWeight, Precision, Segments, attention, drop_out};

use fast::{Saved, differentiate, finish, up_to_activation};
use weights::flat_additions;
pub use weights::{Adapter, BlockWeights, Projection, ProjectionWeight};

/// How a block is computed.
#[derive(Debug, Clone)]
pub struct BlockPlan<'a> {
    /// The sequences of the flat batch.
    pub segments: &'a Segments,
    /// Position of each token in its sequence.
    pub positions: &'a [u32],
    /// Angles of the positions.
    pub rotary: &'a RotaryTable,
    /// Size of a head: D.
    pub head_dim: usize,
    /// ε of the norms.
    pub epsilon: f64,
    /// Keep the input only, and compute all else again in the backward pass (Chen et al. 2016): less
    /// memory for a third more work.
    pub recompute: bool,
    /// Dropout of what the adapters read. Layers that read the same input drop the same values.
    pub dropout: Option<Dropout>,
}

/// Output [T, C] of a block whose input is `x` [T, C]. Multiplies in [`Precision::current`].
///
/// # Panics
/// If the shapes do not agree with each other or with the plan.
pub fn decoder_block(x: Tensor<2>, weights: BlockWeights, plan: &BlockPlan<'_>) -> Tensor<2> {
    if !is_fast(&x) {
        return portable(x, weights, plan);
    }
    let [tokens, _] = x.dims();
    let furthest = plan.positions.iter().max().map_or(0, |&p| p as usize + 1);
    assert_eq!(plan.segments.tokens(), tokens, "tokens of the segments");
    assert_eq!(plan.positions.len(), tokens, "one position for each token");
    assert_eq!(
        plan.rotary.head_dim(),
        plan.head_dim,
        "head size of the rotary table"
    );
    assert!(
        furthest <= plan.rotary.positions(),
        "positions beyond the rotary table"
    );
    let layers = [
        weights.query,
        weights.key,
        weights.value,
        weights.output,
        weights.gate,
        weights.up,
        weights.down,
    ];
    let precision = Precision::current();
    let adapters = layers.each_ref().map(|layer| layer.adapter.as_ref());
    let owned = Plan {
        turn: Turn {
            table: plan.rotary.clone(),
            positions: plan.positions.into(),
            backwards: false,
        },
        attention: attention::Plan {
            segments: plan.segments.clone(),
            scoring: Scoring {
                scale: scale(plan),
                causal: true,
                precision,
            },
        },
        head_dim: plan.head_dim,
        epsilon: plan.epsilon as f32,
        recompute: plan.recompute,
        ranks: adapters.map(|adapter| adapter.map_or(0, |adapter| adapter.a.dims()[0])),
        scales: adapters.map(|adapter| adapter.map_or(0.0, |adapter| adapter.scale as f32)),
        dropout: plan.dropout,
        biased: layers.each_ref().map(|layer| layer.bias.is_some()),
        frozen: layers.each_ref().map(|layer| match &layer.weight {
            ProjectionWeight::Plain(_) => None,
            ProjectionWeight::Frozen(weight) => Some(weight.clone()),
        }),
    };
    let additions = flat_additions(&layers, &x);
    let device = x.device();
    let [query, key, value, output, gate, up, down] = layers.map(|layer| match layer.weight {
        ProjectionWeight::Plain(weight) => weight.into_dispatch(),
        // The plan has it.
        ProjectionWeight::Frozen(_) => Tensor::<2>::zeros([0, 0], &device).into_dispatch(),
    });
    Tensor::from_dispatch(<Dispatch as BlockKernel>::block(
        x.into_dispatch(),
        weights.attention_norm.into_dispatch(),
        query,
        key,
        value,
        output,
        weights.mlp_norm.into_dispatch(),
        gate,
        up,
        down,
        additions.into_dispatch(),
        owned,
    ))
}

/// [`decoder_block`] as a composition of the other operations.
///
/// # Panics
/// If a weight is packed.
pub fn portable(x: Tensor<2>, weights: BlockWeights, plan: &BlockPlan<'_>) -> Tensor<2> {
    let [tokens, _] = x.dims();
    let heads = |x: Tensor<2>| {
        let [_, width] = x.dims();
        x.reshape([tokens, width / plan.head_dim, plan.head_dim])
    };
    let turned = |x| crate::rotary(heads(x), plan.rotary, plan.positions);
    let project = |x: &Tensor<2>, layer: Projection, place| {
        let y = crate::linear(x.clone(), layer.weight.tensor(), layer.bias);
        let Some(Adapter { a, b, scale }) = layer.adapter else {
            return y;
        };
        let x = match plan.dropout {
            Some(dropout) => drop_out(x.clone(), dropout.at(place)),
            None => x.clone(),
        };
        y + crate::linear(crate::linear(x, a, None), b, None) * scale
    };
    let normed = crate::rms_norm(x.clone(), weights.attention_norm, plan.epsilon);
    let (q, k) = (
        turned(project(&normed, weights.query, 0)),
        turned(project(&normed, weights.key, 0)),
    );
    let v = heads(project(&normed, weights.value, 0));
    let attended = crate::attention(q, k, v, plan.segments, scale(plan));
    let [_, count, head_dim] = attended.dims();
    let attended = attended.reshape([tokens, count * head_dim]);
    let x = x + project(&attended, weights.output, 3);
    let normed = crate::rms_norm(x.clone(), weights.mlp_norm, plan.epsilon);
    let gate = project(&normed, weights.gate, 4);
    let up = project(&normed, weights.up, 4);
    x + project(&crate::swiglu(gate, up), weights.down, 6)
}

fn scale(plan: &BlockPlan<'_>) -> f32 {
    1.0 / (plan.head_dim as f32).sqrt()
}

/// [`BlockPlan`], kept for the backward pass.
#[derive(Debug, Clone)]
struct Plan {
    turn: Turn,
    attention: attention::Plan,
    head_dim: usize,
    epsilon: f32,
    recompute: bool,
    /// Of the seven layers' adapters: r, 0 without.
    ranks: [usize; 7],
    /// Of the seven layers' adapters: s.
    scales: [f32; 7],
    dropout: Option<Dropout>,
    /// Which of the seven layers have a bias.
    biased: [bool; 7],
    /// The layers' weights where they are packed already.
    frozen: [Option<FrozenWeight>; 7],
}

impl Plan {
    fn precision(&self) -> Precision {
        self.attention.scoring.precision
    }
}

/// The tensors of a block other than its input, all contiguous.
#[derive(Debug, Clone)]
struct Operands {
    attention_norm: FlexTensor,
    mlp_norm: FlexTensor,
    /// Query, key, value, output, gate, up and down; empty where the plan has the weight.
    layers: [FlexTensor; 7],
    /// See [`flat_additions`].
    additions: FlexTensor,
}

impl Operands {
    /// From the order of the operation's arguments.
    fn new(tensors: [FlexTensor; 10]) -> Self {
        let [
            attention_norm,
            query,
            key,
            value,
            output,
            mlp_norm,
            gate,
            up,
            down,
            additions,
        ] = tensors.map(|tensor| contiguous(&tensor));
        Self {
            attention_norm,
            mlp_norm,
            layers: [query, key, value, output, gate, up, down],
            additions,
        }
    }
}

#[backend_extension(Flex, Autodiff)]
trait BlockKernel: Backend {
    #[allow(clippy::too_many_arguments)]
    fn block(
        x: FloatTensor<Self>,
        attention_norm: FloatTensor<Self>,
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        output: FloatTensor<Self>,
        mlp_norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        additions: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self>;
}

impl BlockKernel for Flex {
    fn block(
        x: FlexTensor,
        attention_norm: FlexTensor,
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        output: FlexTensor,
        mlp_norm: FlexTensor,
        gate: FlexTensor,
        up: FlexTensor,
        down: FlexTensor,
        additions: FlexTensor,
        plan: Plan,
    ) -> FlexTensor {
        let operands = Operands::new([
            attention_norm,
            query,
            key,
            value,
            output,
            mlp_norm,
            gate,
            up,
            down,
            additions,
        ]);
        let x = contiguous(&x);
        let kept = up_to_activation(&x, &operands, &plan);
        finish(&kept, &operands, &plan)
    }
}

impl<C: CheckpointStrategy> BlockKernel for Autodiff<Flex, C> {
    fn block(
        x: FloatTensor<Self>,
        attention_norm: FloatTensor<Self>,
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        output: FloatTensor<Self>,
        mlp_norm: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        down: FloatTensor<Self>,
        additions: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let tensors = [
            x,
            attention_norm,
            query,
            key,
            value,
            output,
            mlp_norm,
            gate,
            up,
            down,
            additions,
        ];
        let nodes = tensors.each_ref().map(|tensor| tensor.node());
        let [x, operands @ ..] = tensors.map(|tensor| contiguous(tensor.primitive()));
        let operands = Operands::new(operands);
        let kept = up_to_activation(&x, &operands, &plan);
        let result = finish(&kept, &operands, &plan);
        match BlockBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => {
                let kept = (!plan.recompute).then_some(kept);
                let saved = Saved {
                    x,
                    operands,
                    kept,
                    plan,
                };
                preparation.finish(saved, result)
            }
            OpsKind::UnTracked(preparation) => preparation.finish(result),
        }
    }
}

#[derive(Debug)]
struct BlockBackward;

impl Backward<Flex, 11> for BlockBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 11>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(&grads.consume::<Flex>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = differentiate(ops.state, &dy, wanted);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}
