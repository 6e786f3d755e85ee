//! The block on the CPU: its forward pass, and the gradients of its input, weights, adapters and biases.

use burn_flex::FlexTensor;

use super::layers::{Group, WeightGradients};
use super::{Operands, Plan};
use crate::attention::{self, Saved as Attended};
use crate::cpu::gemm::Update;
use crate::cpu::parallel::{TASK, for_each_item};
use crate::flex::{dims, values};
use crate::pool::Values;
use crate::rotary::Turn;
use crate::{rms_norm, swiglu};

/// What the backward pass reads of the forward pass.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    attended: Attended,
    /// The block's input and attention's output added up [T, C].
    middle: FlexTensor,
    /// [T, F].
    gate: FlexTensor,
    /// [T, F].
    up: FlexTensor,
    low: LowRank,
}

/// Low-rank projections [T, R] of what each group of layers reads; empty without adapters. As
/// tensors, so that keeping them twice shares them.
#[derive(Debug, Clone)]
struct LowRank {
    attention: FlexTensor,
    output: FlexTensor,
    mlp: FlexTensor,
}

/// A block as the forward pass leaves it for the backward pass.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    pub x: FlexTensor,
    pub operands: Operands,
    /// Nothing where it is computed again.
    pub kept: Option<Kept>,
    pub plan: Plan,
}

/// The layers of a block by what they read.
struct Groups<'a> {
    attention: Group<'a, 3>,
    output: Group<'a, 1>,
    mlp: Group<'a, 2>,
    down: Group<'a, 1>,
}

impl<'a> Groups<'a> {
    fn new(operands: &'a Operands, plan: &'a Plan) -> Self {
        Self {
            attention: Group::new(operands, plan, 0),
            output: Group::new(operands, plan, 3),
            mlp: Group::new(operands, plan, 4),
            down: Group::new(operands, plan, 6),
        }
    }
}

/// All of the forward pass but the activation and what follows.
pub(super) fn up_to_activation(x: &FlexTensor, operands: &Operands, plan: &Plan) -> Kept {
    let groups = Groups::new(operands, plan);
    let [tokens, _] = dims(x);
    let normed = rms_norm::forward(x, &operands.attention_norm, plan.epsilon);
    let ([mut q, mut k, v], attention_low) = groups.attention.forward(values(&normed));
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
    let (middle, output_low) = onto(x, &groups.output, values(&attended.output));
    let normed = rms_norm::forward(&middle, &operands.mlp_norm, plan.epsilon);
    let rows = |x: Values| {
        let width = x.len() / tokens.max(1);
        x.into_tensor([tokens, width])
    };
    let (inner, mlp_low) = groups.mlp.forward(values(&normed));
    let [gate, up] = inner.map(rows);
    Kept {
        attended,
        middle,
        gate,
        up,
        low: LowRank {
            attention: rows(attention_low),
            output: rows(output_low),
            mlp: rows(mlp_low),
        },
    }
}

/// The rest of the forward pass.
pub(super) fn finish(kept: &Kept, operands: &Operands, plan: &Plan) -> FlexTensor {
    let activated = swiglu::forward(&kept.gate, &kept.up);
    let down = Group::new(operands, plan, 6);
    onto(&kept.middle, &down, values(&activated)).0
}

/// `residual` [T, C] plus `x` [T, in] through a layer, and the layer's low-rank projections.
fn onto(residual: &FlexTensor, layer: &Group<'_, 1>, x: &[f32]) -> (FlexTensor, Values) {
    let shape: [usize; 2] = dims(residual);
    let mut sum = Values::take(shape[0] * shape[1]);
    let parts = sum.chunks_mut(TASK).zip(values(residual).chunks(TASK));
    for_each_item(parts, |(sum, residual)| sum.copy_from_slice(residual));
    let low = layer.multiply(x, [&mut sum], Update::Add);
    (sum.into_tensor(shape), low)
}

/// Gradients of the input, the weights and what the layers have besides, in the order of the operation's arguments.
pub(super) fn differentiate(
    saved: Saved,
    dy: &FlexTensor,
    wanted: [bool; 11],
) -> [Option<FlexTensor>; 11] {
    let Saved {
        x,
        operands,
        kept,
        plan,
    } = saved;
    let [
        wanted_x,
        wanted_attention_norm,
        wanted_query,
        wanted_key,
        wanted_value,
        wanted_output,
        wanted_mlp_norm,
        wanted_gate,
        wanted_up,
        wanted_down,
        wanted_additions,
    ] = wanted;
    let kept = kept.unwrap_or_else(|| up_to_activation(&x, &operands, &plan));
    let groups = Groups::new(&operands, &plan);
    let [tokens, width] = dims(&x);
    let additions_size = values(&operands.additions).len();
    let mut additions = wanted_additions.then(|| Values::take(additions_size));

    // The MLP: y = middle + down(swiglu(gate(n), up(n))), n = norm(middle).
    let activated = swiglu::forward(&kept.gate, &kept.up);
    let low = groups.down.low_projections(values(&activated));
    let ([d_down], d_activated) = groups.down.backward(
        [values(dy)],
        values(&activated),
        &low,
        [wanted_down],
        true,
        additions.as_deref_mut(),
    );
    drop((activated, low));
    let [d_gate, d_up] = swiglu::backward(&kept.gate, &kept.up, &asked(d_activated));
    let normed = rms_norm::forward(&kept.middle, &operands.mlp_norm, plan.epsilon);
    let ([d_gate_weight, d_up_weight], d_normed) = groups.mlp.backward(
        [&d_gate, &d_up],
        values(&normed),
        values(&kept.low.mlp),
        [wanted_gate, wanted_up],
        true,
        additions.as_deref_mut(),
    );
    drop((normed, d_gate, d_up));
    let (mut d_middle, d_mlp_norm) = rms_norm::backward(
        &kept.middle,
        &operands.mlp_norm,
        plan.epsilon,
        &asked(d_normed),
    );
    add(&mut d_middle, values(dy));

    // Attention: middle = x + output(attention(turn(query(n)), turn(key(n)), value(n))), n = norm(x).
    let ([d_output], d_attended) = groups.output.backward(
        [&d_middle],
        values(&kept.attended.output),
        values(&kept.low.output),
        [wanted_output],
        true,
        additions.as_deref_mut(),
    );
    let [mut dq, mut dk, dv] = attention::backward(&kept.attended, &asked(d_attended));
    let low = kept.low.attention.clone();
    drop(kept);
    let back = Turn {
        backwards: true,
        ..plan.turn.clone()
    };
    for heads in [&mut dq, &mut dk] {
        let width = heads.len() / tokens.max(1);
        back.apply(heads, width);
    }
    let normed = rms_norm::forward(&x, &operands.attention_norm, plan.epsilon);
    let (weights, d_normed): (WeightGradients<3>, _) = groups.attention.backward(
        [&dq, &dk, &dv],
        values(&normed),
        values(&low),
        [wanted_query, wanted_key, wanted_value],
        wanted_x || wanted_attention_norm,
        additions.as_deref_mut(),
    );
    let [d_query, d_key, d_value] = weights;
    drop(normed);
    let norm = |gradient: Values| gradient.into_tensor([width]);
    let (dx, d_attention_norm) = match d_normed {
        Some(d_normed) => {
            let (mut dx, d_norm) =
                rms_norm::backward(&x, &operands.attention_norm, plan.epsilon, &d_normed);
            add(&mut dx, &d_middle);
            (Some(dx.into_tensor([tokens, width])), Some(norm(d_norm)))
        }
        None => (None, None),
    };
    [
        dx.filter(|_| wanted_x),
        d_attention_norm.filter(|_| wanted_attention_norm),
        d_query,
        d_key,
        d_value,
        d_output,
        wanted_mlp_norm.then(|| norm(d_mlp_norm)),
        d_gate_weight,
        d_up_weight,
        d_down,
        additions.map(|additions| additions.into_tensor([additions_size])),
    ]
}

/// A gradient of an input that was asked for.
fn asked(gradient: Option<Values>) -> Values {
    gradient.expect("the gradient of an inner layer's input is always wanted")
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
