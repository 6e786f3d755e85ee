//! The linear layers with a common input, as one operation: with the preceding norm or activation,
//! adapters, biases, frozen weights, and the residual that the result is added to.
//!
//! Compared with single operations: the input is recomputed in the backward pass instead of stored,
//! the common input of several layers is packed once, residuals are added as products are written,
//! and no gradient is copied to be summed.

mod adapters;
mod group;
mod input;
mod portable;
mod projection;
mod slots;

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn_flex::FlexTensor;

use crate::cpu::gemm::Update;
use crate::flex::{contiguous, copied, dims, is_fast, values};
use crate::pool::Values;
use crate::recomputed::is_replaying;
use crate::{Dropout, Factors, FrozenWeight};

use group::Group;
pub use input::Input;
use input::{Kind, Operand};
pub use portable::portable;
use projection::flat_additions;
pub use projection::{Adapter, Projection, ProjectionWeight};
use slots::{Part, Slots};

/// Maximum number of layers in one operation.
const MOST: usize = 3;

/// The result of [`linears`].
#[derive(Debug, Clone)]
pub struct Linears<const N: usize> {
    /// Output of each layer [T, out].
    pub outputs: [Tensor<2>; N],
    /// The tensor that the input was computed from (the gate, for a gated activation). Use it from
    /// here on, e.g. as a residual: its gradient is then added where that of the input is written.
    pub source: Tensor<2>,
}

/// Applies `layers`, all of which read `input` [T, in]; layer i returns [T, out of i]. The output
/// of a single layer is added to `residual` [T, out], if there is one.
///
/// Layers that are not frozen multiply in the precision of [`crate::Precision::scope`]. `dropout`
/// applies to the input of the adapters, with one mask for all layers. Only the gradients that are
/// needed are computed.
///
/// # Panics
/// If the shapes do not agree, there are more than three layers, or there is a residual with
/// several layers.
pub fn linears<const N: usize>(
    input: Input,
    layers: [Projection; N],
    residual: Option<Tensor<2>>,
    dropout: Option<Dropout>,
) -> Linears<N> {
    operation(input, layers, residual, dropout, false)
}

/// The output of a single layer on `residual`, as by [`linears`], for the result of a function that
/// [`recomputed`](crate::recomputed()) runs: when it runs again for its gradients, nobody reads the
/// values of its result, so this product is left out.
pub fn last(
    input: Input,
    layer: Projection,
    residual: Tensor<2>,
    dropout: Option<Dropout>,
) -> Tensor<2> {
    let unread = is_replaying();
    let [output] = operation(input, [layer], Some(residual), dropout, unread).outputs;
    output
}

fn operation<const N: usize>(
    input: Input,
    layers: [Projection; N],
    residual: Option<Tensor<2>>,
    dropout: Option<Dropout>,
    unread: bool,
) -> Linears<N> {
    const { assert!(N > 0 && N <= MOST) };
    if !is_fast(input.source()) {
        return portable(input, layers, residual, dropout);
    }
    assert!(
        residual.is_none() || N == 1,
        "a residual is one layer's to add to"
    );
    let device = input.source().device();
    let nothing = || Tensor::<1>::zeros([0], &device).into_dispatch();
    let slots = Slots::new(N);
    let adapters = layers.each_ref().map(|layer| layer.adapter.as_ref());
    let plan = Plan {
        kind: input.kind(),
        layers: std::array::from_fn::<_, N, _>(|index| LayerPlan {
            rank: adapters[index].map_or(0, |adapter| adapter.a.dims()[0]),
            scale: adapters[index].map_or(0.0, |adapter| adapter.scale as f32),
            biased: layers[index].bias.is_some(),
            frozen: match &layers[index].weight {
                ProjectionWeight::Plain(_) => None,
                ProjectionWeight::Frozen(weight) => Some(weight.clone()),
            },
        })
        .into(),
        dropout,
        precision: Factors::current(),
        onto: residual.is_some(),
        unread,
        slots: slots.clone(),
    };
    let additions = flat_additions(&layers, &device).into_dispatch();
    let mut weights = layers.into_iter().map(|layer| match layer.weight {
        ProjectionWeight::Plain(weight) => weight.into_dispatch(),
        ProjectionWeight::Frozen(_) => nothing(), // The plan has it.
    });
    let mut weight = || weights.next().unwrap_or_else(nothing);
    let [x, second, third] = input.into_tensors(nothing);
    let done = <Dispatch as LinearsKernel>::linears(
        x,
        second,
        third,
        residual.map_or_else(nothing, Tensor::into_dispatch),
        weight(),
        weight(),
        weight(),
        additions,
        plan,
    );
    let part = |index| {
        let part = Part::new(&slots, index);
        Tensor::from_dispatch(<Dispatch as LinearsKernel>::part(done.clone(), part))
    };
    Linears {
        outputs: std::array::from_fn(part),
        source: part(N),
    }
}

/// Everything about a call except its tensors.
#[derive(Debug, Clone)]
struct Plan {
    kind: Kind,
    layers: Vec<LayerPlan>,
    dropout: Option<Dropout>,
    precision: Factors,
    /// Whether there is a residual.
    onto: bool,
    /// Whether nobody reads the values of the output: it is then the residual itself.
    unread: bool,
    slots: Slots,
}

#[derive(Debug, Clone)]
struct LayerPlan {
    /// Rank r of the adapter, 0 without one.
    rank: usize,
    /// Scale s of the adapter.
    scale: f32,
    biased: bool,
    /// The weight, if it is already packed.
    frozen: Option<FrozenWeight>,
}

/// Inputs of the backward pass, all contiguous.
#[derive(Debug, Clone)]
struct Operands {
    input: Operand,
    /// Empty if the plan contains the weight or there is no such layer.
    weights: [FlexTensor; MOST],
    /// See [`flat_additions`].
    additions: FlexTensor,
}

/// The value of the operation itself is not used. Since Burn's operations have a single output, the
/// results are in the slots of the plan, from which `part` takes them.
#[backend_extension(Flex, Autodiff)]
trait LinearsKernel: Backend {
    #[allow(clippy::too_many_arguments)]
    fn linears(
        x: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        first_weight: FloatTensor<Self>,
        second_weight: FloatTensor<Self>,
        third_weight: FloatTensor<Self>,
        additions: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self>;

    fn part(done: FloatTensor<Self>, part: Part) -> FloatTensor<Self>;
}

/// Result of `linears`, and the gradient that its parts pass to it.
fn token() -> FlexTensor {
    Values::zeros(1).into_tensor([1])
}

/// Fills the slots; returns the inputs of the backward pass.
fn forward(tensors: [FlexTensor; 8], plan: &Plan) -> (Operands, FlexTensor) {
    let [x, second, third, residual, a, b, c, additions] =
        tensors.map(|tensor| contiguous(&tensor));
    let operands = Operands {
        input: Operand::new([x, second, third]),
        weights: [a, b, c],
        additions,
    };
    let input = operands.input.computed(plan.kind);
    let group = Group::new(&operands, plan, &input);
    let (mut results, low) = match plan.unread {
        true => (vec![residual], group.low_projections(values(&input))),
        false => products(&group, values(&input), plan.onto.then_some(&residual)),
    };
    let [tokens, _] = dims(&input);
    results.push(operands.input.source().clone());
    plan.slots.fill(results);
    let rank = group.rank();
    (operands, low.into_tensor([tokens, rank]))
}

/// The outputs [T, out] of all layers, on `residual` if there is one, and the low-rank projections.
fn products(
    group: &Group<'_>,
    input: &[f32],
    residual: Option<&FlexTensor>,
) -> (Vec<FlexTensor>, Values) {
    let (mut outputs, update) = match residual {
        Some(residual) => (vec![copied(values(residual))], Update::Add),
        None => (group.empty_outputs(), Update::Overwrite),
    };
    let low = group.multiply(input, &mut outputs, update);
    let shaped = outputs.into_iter().zip(group.output_shapes());
    let shaped = shaped.map(|(output, shape)| output.into_tensor(shape));
    (shaped.collect(), low)
}

impl LinearsKernel for Flex {
    fn linears(
        x: FlexTensor,
        second: FlexTensor,
        third: FlexTensor,
        residual: FlexTensor,
        first_weight: FlexTensor,
        second_weight: FlexTensor,
        third_weight: FlexTensor,
        additions: FlexTensor,
        plan: Plan,
    ) -> FlexTensor {
        let weights = [first_weight, second_weight, third_weight];
        let [a, b, c] = weights;
        forward([x, second, third, residual, a, b, c, additions], &plan);
        token()
    }

    fn part(_: FlexTensor, part: Part) -> FlexTensor {
        part.take()
    }
}

impl<C: CheckpointStrategy> LinearsKernel for Autodiff<Flex, C> {
    fn linears(
        x: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        first_weight: FloatTensor<Self>,
        second_weight: FloatTensor<Self>,
        third_weight: FloatTensor<Self>,
        additions: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let tensors = [
            x,
            second,
            third,
            residual,
            first_weight,
            second_weight,
            third_weight,
            additions,
        ];
        let nodes = tensors.each_ref().map(|tensor| tensor.node());
        let tensors = tensors.map(|tensor| tensor.into_primitive());
        let (operands, low) = forward(tensors, &plan);
        let prepared = LinearsBackward.prepare::<C>(nodes).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(preparation) => {
                let saved = Saved {
                    operands,
                    low,
                    plan,
                };
                preparation.finish(saved, token())
            }
            OpsKind::UnTracked(preparation) => preparation.finish(token()),
        }
    }

    fn part(done: FloatTensor<Self>, part: Part) -> FloatTensor<Self> {
        let output = part.take();
        let prepared = PartBackward.prepare::<C>([done.node()]).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(preparation) => preparation.finish(part, output),
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }
}

/// Stores the gradient of one result in its slot.
#[derive(Debug)]
struct PartBackward;

impl Backward<Flex, 1> for PartBackward {
    type State = Part;

    fn backward(self, ops: Ops<Part, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        ops.state.leave_gradient(contiguous(&gradient));
        let [done] = ops.parents;
        if let Some(done) = done {
            grads.register::<Flex>(done.id, token());
        }
    }
}

#[derive(Debug, Clone)]
struct Saved {
    operands: Operands,
    /// Low-rank projections [T, R] of the input; empty without adapters.
    low: FlexTensor,
    plan: Plan,
}

#[derive(Debug)]
struct LinearsBackward;

impl Backward<Flex, 8> for LinearsBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 8>, grads: &mut Gradients, _: &mut Checkpointer) {
        grads.consume::<Flex>(&ops.node);
        let Saved {
            operands,
            low,
            plan,
        } = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let [sources @ .., residual, _, _, _, _] = &wanted;
        let input = operands.input.computed(plan.kind);
        let group = Group::new(&operands, &plan, &input);
        let mut gradients = plan.slots.take_gradients();
        let of_source = gradients.pop().flatten();
        let outputs: Vec<FlexTensor> = gradients
            .into_iter()
            .zip(group.output_shapes())
            .map(|(gradient, shape)| {
                // An output that nothing depends on.
                gradient.unwrap_or_else(|| Values::zeros(shape[0] * shape[1]).into_tensor(shape))
            })
            .collect();
        let slices: Vec<&[f32]> = outputs.iter().map(values).collect();
        let mut additions = wanted[7].then(|| Values::take(values(&operands.additions).len()));
        let (weights, d_input) = group.backward(
            &slices,
            values(&input),
            values(&low),
            &wanted[4..7],
            sources.contains(&true),
            additions.as_deref_mut(),
        );
        drop(input);
        let onto = residual.then(|| outputs[0].clone());
        let sources = match d_input {
            Some(gradient) => operands.input.differentiate(plan.kind, gradient, of_source),
            None => [None, None, None],
        };
        let additions = additions.map(|additions| {
            let length = additions.len();
            additions.into_tensor([length])
        });
        let gradients = (sources.into_iter().chain([onto]))
            .chain(weights)
            .chain([additions]);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}
