//! A whole decoder block as one operation: norm, rotary attention, norm and SwiGLU MLP, each behind
//! a residual (the block of `modeling_llama.py` of Transformers).
//!
//! What single operations cannot do: an input that several layers multiply is packed once for all
//! of them, norms and activations are computed again in the backward pass instead of kept, residuals
//! are added where the products are written, and no gradient is copied to be summed.

mod fast;

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
use crate::{Precision, Segments, attention};

use fast::{Saved, differentiate, finish, up_to_activation};

/// Weights of a block, in the order in which they are used; [out, in] as in checkpoints.
#[derive(Debug, Clone)]
pub struct BlockWeights {
    /// Gain of the norm before attention `[C]`.
    pub attention_norm: Tensor<1>,
    /// Queries [H·D, C].
    pub query: Tensor<2>,
    /// Keys [KV·D, C].
    pub key: Tensor<2>,
    /// Values [KV·D, C].
    pub value: Tensor<2>,
    /// Output of attention [C, H·D].
    pub output: Tensor<2>,
    /// Gain of the norm before the MLP `[C]`.
    pub mlp_norm: Tensor<1>,
    /// Gate [F, C].
    pub gate: Tensor<2>,
    /// Up [F, C].
    pub up: Tensor<2>,
    /// Down [C, F].
    pub down: Tensor<2>,
}

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
                precision: Precision::current(),
            },
        },
        head_dim: plan.head_dim,
        epsilon: plan.epsilon as f32,
        recompute: plan.recompute,
    };
    let BlockWeights {
        attention_norm,
        query,
        key,
        value,
        output,
        mlp_norm,
        gate,
        up,
        down,
    } = weights;
    Tensor::from_dispatch(<Dispatch as BlockKernel>::block(
        x.into_dispatch(),
        attention_norm.into_dispatch(),
        query.into_dispatch(),
        key.into_dispatch(),
        value.into_dispatch(),
        output.into_dispatch(),
        mlp_norm.into_dispatch(),
        gate.into_dispatch(),
        up.into_dispatch(),
        down.into_dispatch(),
        owned,
    ))
}

/// [`decoder_block`] as a composition of the other operations.
pub fn portable(x: Tensor<2>, weights: BlockWeights, plan: &BlockPlan<'_>) -> Tensor<2> {
    let [tokens, _] = x.dims();
    let heads = |x: Tensor<2>| {
        let [_, width] = x.dims();
        x.reshape([tokens, width / plan.head_dim, plan.head_dim])
    };
    let turned = |x| crate::rotary(heads(x), plan.rotary, plan.positions);
    let normed = crate::rms_norm(x.clone(), weights.attention_norm, plan.epsilon);
    let project = |weight| crate::linear(normed.clone(), weight, None);
    let (q, k) = (turned(project(weights.query)), turned(project(weights.key)));
    let v = heads(project(weights.value));
    let attended = crate::attention(q, k, v, plan.segments, scale(plan));
    let [_, count, head_dim] = attended.dims();
    let attended = attended.reshape([tokens, count * head_dim]);
    let x = x + crate::linear(attended, weights.output, None);
    let normed = crate::rms_norm(x.clone(), weights.mlp_norm, plan.epsilon);
    let gate = crate::linear(normed.clone(), weights.gate, None);
    let up = crate::linear(normed, weights.up, None);
    x + crate::linear(crate::swiglu(gate, up), weights.down, None)
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
}

impl Plan {
    fn precision(&self) -> Precision {
        self.attention.scoring.precision
    }
}

/// The tensors of a block other than its input, in the order of [`BlockWeights`].
type Weights = [FlexTensor; 9];

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
        plan: Plan,
    ) -> FlexTensor {
        let weights = [
            attention_norm,
            query,
            key,
            value,
            output,
            mlp_norm,
            gate,
            up,
            down,
        ];
        let weights = weights.map(|weight| contiguous(&weight));
        let x = contiguous(&x);
        let kept = up_to_activation(&x, &weights, &plan);
        finish(&kept, &weights, &plan)
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
        ];
        let nodes = tensors.each_ref().map(|tensor| tensor.node());
        let [x, weights @ ..] = tensors.map(|tensor| contiguous(tensor.primitive()));
        let kept = up_to_activation(&x, &weights, &plan);
        let result = finish(&kept, &weights, &plan);
        match BlockBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => {
                let kept = (!plan.recompute).then_some(kept);
                let saved = Saved {
                    x,
                    weights,
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

impl Backward<Flex, 10> for BlockBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 10>, grads: &mut Gradients, _: &mut Checkpointer) {
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
