//! Gated activations: the GLU variants of Shazeer 2020 (arXiv 2002.05202).

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::activation::silu;
use burn_flex::FlexTensor;

use crate::activation::{self, Activation, tanh_share, tanh_slope};
use crate::cpu::parallel::{TASK, for_each_item, for_each_simd};
use crate::cpu::vector::exp;
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;

/// The activation of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// x · sigmoid(x): SwiGLU.
    Silu,
    /// GELU with its tanh approximation: GeGLU.
    GeluTanh,
}

/// `activation(gate) · up`, element by element; both [T, F].
pub fn gated(gate: Tensor<2>, up: Tensor<2>, activation: Gate) -> Tensor<2> {
    if !(is_fast(&gate) && is_fast(&up)) {
        return portable(gate, up, activation);
    }
    assert_eq!(gate.dims(), up.dims(), "sizes of gate and up");
    let (gate, up) = (gate.into_dispatch(), up.into_dispatch());
    Tensor::from_dispatch(<Dispatch as GatedKernel>::gated(gate, up, activation))
}

/// [`gated()`] in Burn's tensor operations.
pub fn portable(gate: Tensor<2>, up: Tensor<2>, activation: Gate) -> Tensor<2> {
    let opened = match activation {
        Gate::Silu => silu(gate),
        Gate::GeluTanh => activation::portable(gate, Activation::GeluTanh),
    };
    opened * up
}

#[backend_extension(Flex, Autodiff)]
trait GatedKernel: Backend {
    fn gated(gate: FloatTensor<Self>, up: FloatTensor<Self>, activation: Gate)
    -> FloatTensor<Self>;
}

impl GatedKernel for Flex {
    fn gated(gate: FlexTensor, up: FlexTensor, activation: Gate) -> FlexTensor {
        forward(&contiguous(&gate), &contiguous(&up), activation)
    }
}

/// [`gated()`] of contiguous tensors.
pub(crate) fn forward(gate: &FlexTensor, up: &FlexTensor, activation: Gate) -> FlexTensor {
    let apply = match activation {
        Gate::Silu => silu_times,
        Gate::GeluTanh => gelu_times,
    };
    let shape: [usize; 2] = dims(gate);
    let mut output = Values::take(shape[0] * shape[1]);
    let inputs = values(gate).chunks(TASK).zip(values(up).chunks(TASK));
    for_each_item(output.chunks_mut(TASK).zip(inputs), |(y, (gate, up))| {
        apply(gate, up, y);
    });
    output.into_tensor(shape)
}

/// Gradients of gate and up, given the gradient of the output; all contiguous.
pub(crate) fn backward(
    gate: &FlexTensor,
    up: &FlexTensor,
    activation: Gate,
    gradient: &[f32],
) -> [Values; 2] {
    let differentiate = match activation {
        Gate::Silu => silu_gradients,
        Gate::GeluTanh => gelu_gradients,
    };
    let mut dgate = Values::take(gradient.len());
    let mut dup = Values::take(gradient.len());
    let outputs = dgate.chunks_mut(TASK).zip(dup.chunks_mut(TASK));
    let inputs = values(gate).chunks(TASK).zip(values(up).chunks(TASK));
    let tasks = outputs.zip(inputs).zip(gradient.chunks(TASK));
    for_each_item(tasks, |(((dgate, dup), (gate, up)), dy)| {
        differentiate(gate, up, dy, dgate, dup);
    });
    [dgate, dup]
}

impl<C: CheckpointStrategy> GatedKernel for Autodiff<Flex, C> {
    fn gated(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        activation: Gate,
    ) -> FloatTensor<Self> {
        let nodes = [gate.node(), up.node()];
        let (gate, up) = (gate.into_primitive(), up.into_primitive());
        match GatedBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => {
                let saved = (gate.clone(), up.clone(), activation);
                preparation.finish(saved, Flex::gated(gate, up, activation))
            }
            OpsKind::UnTracked(preparation) => {
                preparation.finish(Flex::gated(gate, up, activation))
            }
        }
    }
}

#[derive(Debug)]
struct GatedBackward;

impl Backward<Flex, 2> for GatedBackward {
    type State = (FlexTensor, FlexTensor, Gate);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [gate_node, up_node] = ops.parents;
        let (gate, up) = (contiguous(&ops.state.0), contiguous(&ops.state.1));
        let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
        let shape: [usize; 2] = dims(&gate);
        let [dgate, dup] = backward(&gate, &up, ops.state.2, values(&gradient));
        if let Some(node) = gate_node {
            grads.register::<Flex>(node.id, dgate.into_tensor(shape));
        }
        if let Some(node) = up_node {
            grads.register::<Flex>(node.id, dup.into_tensor(shape));
        }
    }
}

for_each_simd! {
    fn silu_times(gate: &[f32], up: &[f32], y: &mut [f32]) {
        for ((y, gate), up) in y.iter_mut().zip(gate).zip(up) {
            *y = gate / (1.0 + exp(-gate)) * up;
        }
    }
}

for_each_simd! {
    /// With s = sigmoid(gate): d silu = s · (1 + gate · (1 - s)).
    fn silu_gradients(
        gate: &[f32],
        up: &[f32],
        dy: &[f32],
        dgate: &mut [f32],
        dup: &mut [f32],
    ) {
        let outputs = dgate.iter_mut().zip(dup);
        for ((dgate, dup), ((gate, up), dy)) in outputs.zip(gate.iter().zip(up).zip(dy)) {
            let sigmoid = 1.0 / (1.0 + exp(-gate));
            *dgate = dy * up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
            *dup = dy * gate * sigmoid;
        }
    }
}

for_each_simd! {
    fn gelu_times(gate: &[f32], up: &[f32], y: &mut [f32]) {
        for ((y, &gate), up) in y.iter_mut().zip(gate).zip(up) {
            *y = gate * tanh_share(gate) * up;
        }
    }
}

for_each_simd! {
    /// With s the sigmoid factor of the gate: d gelu = s + gate · s · (1 - s) · slope.
    fn gelu_gradients(
        gate: &[f32],
        up: &[f32],
        dy: &[f32],
        dgate: &mut [f32],
        dup: &mut [f32],
    ) {
        let outputs = dgate.iter_mut().zip(dup);
        for ((dgate, dup), ((&gate, up), dy)) in outputs.zip(gate.iter().zip(up).zip(dy)) {
            let share = tanh_share(gate);
            *dgate = dy * up * share * (1.0 + gate * (1.0 - share) * tanh_slope(gate));
            *dup = dy * gate * share;
        }
    }
}
