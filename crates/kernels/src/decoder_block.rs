//! A whole decoder block as one operation: norm, rotary attention, norm and SwiGLU MLP, each behind
//! a residual (the block of `modeling_llama.py` of Transformers).
//!
//! What single operations cannot do: an input that several layers multiply is packed once for all
//! of them, norms and activations are computed again in the backward pass instead of kept, residuals
//! are added where the products are written, and no gradient is copied to be summed.

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::attention::{self, Saved as Attended};
use crate::cpu::attention::Scoring;
use crate::cpu::gemm::{
    Matrix, MatrixMut, Threads, Update, gemm, gemm_sharing_left, gemm_sharing_right,
};
use crate::cpu::parallel::TASK;
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;
use crate::rotary::{RotaryTable, Turn};
use crate::{Precision, Segments, rms_norm, swiglu};

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

/// What the backward pass reads of the forward pass.
#[derive(Debug, Clone)]
struct Kept {
    attended: Attended,
    /// The block's input and attention's output added up [T, C].
    middle: FlexTensor,
    /// [T, F].
    gate: FlexTensor,
    /// [T, F].
    up: FlexTensor,
}

#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    weights: Weights,
    /// Nothing where it is computed again.
    kept: Option<Kept>,
    plan: Plan,
}

/// All of the forward pass but the activation and what follows.
fn up_to_activation(x: &FlexTensor, weights: &Weights, plan: &Plan) -> Kept {
    let [
        attention_norm,
        query,
        key,
        value,
        output,
        mlp_norm,
        gate,
        up,
        _,
    ] = weights;
    let [tokens, _] = dims(x);
    let normed = rms_norm::forward(x, attention_norm, plan.epsilon);
    let [mut q, mut k, v] = project(&normed, [query, key, value], plan);
    drop(normed);
    for heads in [&mut q, &mut k] {
        let width = heads.len() / tokens.max(1);
        plan.turn.apply(heads, width);
    }
    let heads = |x: Values| {
        let count = x.len() / (tokens * plan.head_dim).max(1);
        x.into_tensor([tokens, count, plan.head_dim])
    };
    let attended = Attended::new(heads(q), heads(k), heads(v), plan.attention.clone());
    let middle = add_projection(x, values(&attended.output), output, plan);
    let normed = rms_norm::forward(&middle, mlp_norm, plan.epsilon);
    let inner = |x: Values| {
        let width = x.len() / tokens.max(1);
        x.into_tensor([tokens, width])
    };
    let [gate, up] = project(&normed, [gate, up], plan).map(inner);
    Kept {
        attended,
        middle,
        gate,
        up,
    }
}

/// The rest of the forward pass.
fn finish(kept: &Kept, weights: &Weights, plan: &Plan) -> FlexTensor {
    let activated = swiglu::forward(&kept.gate, &kept.up);
    add_projection(&kept.middle, values(&activated), &weights[8], plan)
}

/// `x` [T, in] through each weight [out, in]: T · out values each.
fn project<const N: usize>(x: &FlexTensor, weights: [&FlexTensor; N], plan: &Plan) -> [Values; N] {
    let [tokens, width] = dims(x);
    let mut outputs = weights.map(|weight| Values::take(tokens * rows(weight)));
    let products = outputs
        .iter_mut()
        .zip(weights)
        .map(|(output, weight)| {
            let output = MatrixMut::dense(output, tokens, rows(weight));
            (whole(weight).transposed(), output)
        })
        .collect();
    let x = Matrix::dense(values(x), tokens, width);
    gemm_sharing_left(x, products, Update::Overwrite, plan.precision());
    outputs
}

/// `residual` [T, C] plus `x` [T, in] through `weight` [C, in].
fn add_projection(
    residual: &FlexTensor,
    x: &[f32],
    weight: &FlexTensor,
    plan: &Plan,
) -> FlexTensor {
    let [tokens, width] = dims(residual);
    let mut sum = Values::take(tokens * width);
    sum.par_chunks_mut(TASK)
        .zip(values(residual).par_chunks(TASK))
        .for_each(|(sum, residual)| sum.copy_from_slice(residual));
    let [_, inner]: [usize; 2] = dims(weight);
    gemm(
        Matrix::dense(x, tokens, inner),
        whole(weight).transposed(),
        MatrixMut::dense(&mut sum, tokens, width),
        Update::Add,
        plan.precision(),
        Threads::All,
    );
    sum.into_tensor([tokens, width])
}

fn whole(weight: &FlexTensor) -> Matrix<'_> {
    let [out, width] = dims(weight);
    Matrix::dense(values(weight), out, width)
}

fn rows(weight: &FlexTensor) -> usize {
    let [out, _] = dims(weight);
    out
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

/// Gradients of the input and the weights, in the order of the operation's arguments.
fn differentiate(saved: Saved, dy: &FlexTensor, wanted: [bool; 10]) -> [Option<FlexTensor>; 10] {
    let Saved {
        x,
        weights,
        kept,
        plan,
    } = saved;
    let kept = kept.unwrap_or_else(|| up_to_activation(&x, &weights, &plan));
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
    ] = &weights;
    let [tokens, width] = dims(&x);
    let shape = |values: Values| values.into_tensor([tokens, width]);

    // The MLP: y = middle + down(swiglu(gate(n), up(n))), n = norm(middle).
    let activated = swiglu::forward(&kept.gate, &kept.up);
    let [d_down] = weight_gradients([values(dy)], &activated, [down], [wanted[9]], &plan);
    drop(activated);
    let d_activated = input_gradient([values(dy)], [down], &plan);
    let [d_gate, d_up] = swiglu::backward(&kept.gate, &kept.up, &d_activated);
    drop(d_activated);
    let normed = rms_norm::forward(&kept.middle, mlp_norm, plan.epsilon);
    let [d_gate_weight, d_up_weight] = weight_gradients(
        [&d_gate, &d_up],
        &normed,
        [gate, up],
        [wanted[7], wanted[8]],
        &plan,
    );
    drop(normed);
    let d_normed = input_gradient([&d_gate, &d_up], [gate, up], &plan);
    drop((d_gate, d_up));
    let (mut d_middle, d_mlp_norm) =
        rms_norm::backward(&kept.middle, mlp_norm, plan.epsilon, &d_normed);
    drop(d_normed);
    add(&mut d_middle, values(dy));

    // Attention: middle = x + output(attention(turn(query(n)), turn(key(n)), value(n))), n = norm(x).
    let [_, heads, head_dim]: [usize; 3] = dims(&kept.attended.output);
    let attended = flattened(&kept.attended.output, [tokens, heads * head_dim]);
    let [d_output] = weight_gradients([&d_middle], &attended, [output], [wanted[5]], &plan);
    let d_attended = input_gradient([&d_middle], [output], &plan);
    let [mut dq, mut dk, dv] = attention::backward(&kept.attended, &d_attended);
    drop((d_attended, kept, attended));
    let back = Turn {
        backwards: true,
        ..plan.turn.clone()
    };
    for heads in [&mut dq, &mut dk] {
        let width = heads.len() / tokens.max(1);
        back.apply(heads, width);
    }
    let normed = rms_norm::forward(&x, attention_norm, plan.epsilon);
    let [d_query, d_key, d_value] = weight_gradients(
        [&dq, &dk, &dv],
        &normed,
        [query, key, value],
        [wanted[2], wanted[3], wanted[4]],
        &plan,
    );
    drop(normed);
    let (mut dx, d_attention_norm) = if wanted[0] || wanted[1] {
        let d_normed = input_gradient([&dq, &dk, &dv], [query, key, value], &plan);
        rms_norm::backward(&x, attention_norm, plan.epsilon, &d_normed)
    } else {
        (Values::take(0), Values::take(0))
    };
    if wanted[0] {
        add(&mut dx, &d_middle);
    }

    let norm = |wanted: bool, gradient: Values| wanted.then(|| gradient.into_tensor([width]));
    [
        wanted[0].then(|| shape(dx)),
        norm(wanted[1], d_attention_norm),
        d_query,
        d_key,
        d_value,
        d_output,
        norm(wanted[6], d_mlp_norm),
        d_gate_weight,
        d_up_weight,
        d_down,
    ]
}

/// Gradient [T, in] of the input that all `weights` [out, in] multiply, given those of their outputs
/// [T, out].
fn input_gradient<const N: usize>(
    outputs: [&[f32]; N],
    weights: [&FlexTensor; N],
    plan: &Plan,
) -> Values {
    let tokens = plan.turn.positions.len();
    let [_, width]: [usize; 2] = dims(weights[0]);
    let mut gradient = Values::take(tokens * width);
    for (index, (dy, weight)) in outputs.into_iter().zip(weights).enumerate() {
        gemm(
            Matrix::dense(dy, tokens, rows(weight)),
            whole(weight),
            MatrixMut::dense(&mut gradient, tokens, width),
            match index {
                0 => Update::Overwrite,
                _ => Update::Add,
            },
            plan.precision(),
            Threads::All,
        );
    }
    gradient
}

/// Gradients of the `weights` that multiply `x` [T, in], given those of their outputs [T, out]; only
/// of those that are `wanted`.
fn weight_gradients<const N: usize>(
    outputs: [&[f32]; N],
    x: &FlexTensor,
    weights: [&FlexTensor; N],
    wanted: [bool; N],
    plan: &Plan,
) -> [Option<FlexTensor>; N] {
    let [tokens, width] = dims(x);
    let mut gradients: [Option<Values>; N] =
        std::array::from_fn(|i| wanted[i].then(|| Values::take(rows(weights[i]) * width)));
    let products: Vec<_> = gradients
        .iter_mut()
        .enumerate()
        .filter_map(|(index, gradient)| {
            let out = rows(weights[index]);
            let dy = Matrix::dense(outputs[index], tokens, out).transposed();
            Some((dy, MatrixMut::dense(gradient.as_mut()?, out, width)))
        })
        .collect();
    if !products.is_empty() {
        let x = Matrix::dense(values(x), tokens, width);
        gemm_sharing_right(products, x, Update::Overwrite, plan.precision());
    }
    let mut shapes = weights.into_iter().map(|weight| [rows(weight), width]);
    gradients.map(|gradient| {
        let shape = shapes.next().unwrap_or_default();
        gradient.map(|gradient| gradient.into_tensor(shape))
    })
}

fn add(sum: &mut [f32], other: &[f32]) {
    sum.par_chunks_mut(TASK)
        .zip(other.par_chunks(TASK))
        .for_each(|(sum, other)| {
            for (sum, value) in sum.iter_mut().zip(other) {
                *sum += value;
            }
        });
}

/// The same values [T, H, D] seen as [T, H · D].
fn flattened(heads: &FlexTensor, shape: [usize; 2]) -> FlexTensor {
    heads.reshape(shape.into())
}
