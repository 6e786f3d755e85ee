//! The block on the CPU: its forward pass, and the gradients of its input and weights.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{Plan, Weights};
use crate::attention::{self, Saved as Attended};
use crate::cpu::gemm::{
    Matrix, MatrixMut, Threads, Update, gemm, gemm_sharing_left, gemm_sharing_right,
};
use crate::cpu::parallel::TASK;
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
}

/// A block as the forward pass leaves it for the backward pass.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    pub x: FlexTensor,
    pub weights: Weights,
    /// Nothing where it is computed again.
    pub kept: Option<Kept>,
    pub plan: Plan,
}

/// All of the forward pass but the activation and what follows.
pub(super) fn up_to_activation(x: &FlexTensor, weights: &Weights, plan: &Plan) -> Kept {
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
pub(super) fn finish(kept: &Kept, weights: &Weights, plan: &Plan) -> FlexTensor {
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

/// Gradients of the input and the weights, in the order of the operation's arguments.
pub(super) fn differentiate(
    saved: Saved,
    dy: &FlexTensor,
    wanted: [bool; 10],
) -> [Option<FlexTensor>; 10] {
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
