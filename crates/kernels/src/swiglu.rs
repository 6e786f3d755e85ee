//! The gated activation of Llama's MLP (Shazeer 2020).

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::activation::silu;
use burn_flex::FlexTensor;

use crate::cpu::parallel::{TASK, for_each_item, for_each_simd};
use crate::cpu::vector::exp;
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;

/// `silu(gate) · up`, element by element; both [T, F].
pub fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    if !(is_fast(&gate) && is_fast(&up)) {
        return portable(gate, up);
    }
    assert_eq!(gate.dims(), up.dims(), "sizes of gate and up");
    let (gate, up) = (gate.into_dispatch(), up.into_dispatch());
    Tensor::from_dispatch(<Dispatch as SwigluKernel>::swiglu(gate, up))
}

/// [`swiglu`] in Burn's tensor operations.
pub fn portable(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    silu(gate) * up
}

#[backend_extension(Flex, Autodiff)]
trait SwigluKernel: Backend {
    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl SwigluKernel for Flex {
    fn swiglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        forward(&contiguous(&gate), &contiguous(&up))
    }
}

/// [`swiglu`] of contiguous tensors.
pub(crate) fn forward(gate: &FlexTensor, up: &FlexTensor) -> FlexTensor {
    let shape: [usize; 2] = dims(gate);
    let mut output = Values::take(shape[0] * shape[1]);
    let inputs = values(gate).chunks(TASK).zip(values(up).chunks(TASK));
    for_each_item(output.chunks_mut(TASK).zip(inputs), |(y, (gate, up))| {
        activate(gate, up, y);
    });
    output.into_tensor(shape)
}

/// Gradients of gate and up, given that of the output; all contiguous.
pub(crate) fn backward(gate: &FlexTensor, up: &FlexTensor, gradient: &[f32]) -> [Values; 2] {
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

impl<C: CheckpointStrategy> SwigluKernel for Autodiff<Flex, C> {
    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [gate.node(), up.node()];
        let (gate, up) = (gate.into_primitive(), up.into_primitive());
        match SwigluBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => {
                let saved = (gate.clone(), up.clone());
                preparation.finish(saved, Flex::swiglu(gate, up))
            }
            OpsKind::UnTracked(preparation) => preparation.finish(Flex::swiglu(gate, up)),
        }
    }
}

#[derive(Debug)]
struct SwigluBackward;

impl Backward<Flex, 2> for SwigluBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [gate_node, up_node] = ops.parents;
        let (gate, up) = (contiguous(&ops.state.0), contiguous(&ops.state.1));
        let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
        let shape: [usize; 2] = dims(&gate);
        let [dgate, dup] = backward(&gate, &up, values(&gradient));
        if let Some(node) = gate_node {
            grads.register::<Flex>(node.id, dgate.into_tensor(shape));
        }
        if let Some(node) = up_node {
            grads.register::<Flex>(node.id, dup.into_tensor(shape));
        }
    }
}

for_each_simd! {
    fn activate(gate: &[f32], up: &[f32], y: &mut [f32]) {
        for ((y, gate), up) in y.iter_mut().zip(gate).zip(up) {
            *y = gate / (1.0 + exp(-gate)) * up;
        }
    }
}

for_each_simd! {
    /// With s = sigmoid(gate): d silu = s · (1 + gate · (1 - s)).
    fn differentiate(
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
