//! Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): a part of a network whose forward
//! pass stores only its input.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn_flex::FlexTensor;

use crate::Factors;
use crate::flex::{contiguous, host, is_fast};
use crate::pool::Values;

/// `run(module, x)`, recomputed in the backward pass: less memory for a third more work. Gradients
/// of the module's parameters and of `x` are those of `run` itself. On devices other than the CPU,
/// it just calls `run`.
///
/// `run` must return the same result each time, and depend on nothing trainable except its
/// arguments.
pub fn recomputed<M: Module + Sync + 'static>(
    x: Tensor<2>,
    module: &M,
    run: impl Fn(&M, Tensor<2>) -> Tensor<2> + Send + Sync + 'static,
) -> Tensor<2> {
    if !(is_fast(&x) && x.is_autodiff()) {
        return run(module, x);
    }
    let replay = Replay(Arc::new(Part {
        module: module.clone(),
        run,
        factors: Factors::current(),
    }));
    let x = x.into_dispatch();
    Tensor::from_dispatch(<Dispatch as RecomputedKernel>::recomputed(x, replay))
}

thread_local! {
    static REPLAYING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is running the function of [`recomputed`] again for its gradients.
pub(crate) fn is_replaying() -> bool {
    REPLAYING.get()
}

/// `run()`, with [`is_replaying`] as given.
fn replaying<T>(now: bool, run: impl FnOnce() -> T) -> T {
    /// Restores the flag even if `run` panics.
    struct Restore(bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            REPLAYING.set(self.0);
        }
    }

    let _restore = Restore(REPLAYING.replace(now));
    run()
}

/// The computation to repeat.
#[derive(Clone)]
struct Replay(Arc<dyn Rerun>);

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replay")
    }
}

trait Rerun: Send + Sync {
    fn forward(&self, x: FlexTensor) -> FlexTensor;

    /// The gradient of `x`, given the gradient of the output; the gradients of the parameters are
    /// registered.
    fn backward(&self, x: FlexTensor, dy: FlexTensor, grads: &mut Gradients) -> FlexTensor;
}

struct Part<M, F> {
    module: M,
    run: F,
    factors: Factors,
}

impl<M, F> Rerun for Part<M, F>
where
    M: Module + Sync,
    F: Fn(&M, Tensor<2>) -> Tensor<2> + Send + Sync,
{
    fn forward(&self, x: FlexTensor) -> FlexTensor {
        let x = Tensor::from_primitive::<Flex>(x);
        let y = replaying(false, || (self.run)(&self.module.valid(), x));
        contiguous(&host(y))
    }

    fn backward(&self, x: FlexTensor, dy: FlexTensor, grads: &mut Gradients) -> FlexTensor {
        // A separate graph, since that of the whole network is being traversed at this moment.
        let module = self.module.clone().map(&mut Detach);
        let x = Tensor::<2>::from_primitive::<Flex>(x);
        let x = x.autodiff().require_grad();
        let run = || replaying(true, || (self.run)(&module, x.clone()));
        let y = self.factors.scope(run);
        let seeded = <Dispatch as RecomputedKernel>::seeded(y.into_dispatch(), dy);
        let mut inner = Tensor::<1>::from_dispatch(seeded).backward();
        let mut found = Found {
            inner: &mut inner,
            gradients: Vec::new(),
        };
        module.visit(&mut found);
        let mut register = Register {
            gradients: found.gradients.into_iter(),
            grads,
        };
        self.module.visit(&mut register);
        let dx = x.grad_remove(&mut inner);
        host(dx.unwrap_or_else(|| Tensor::zeros(x.dims(), &x.device().inner())))
    }
}

/// Trainable parameters as leaves of a different graph.
struct Detach;

impl ModuleMapper for Detach {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match parameter.is_require_grad() {
            true => parameter.map(|tensor| tensor.inner().autodiff().require_grad()),
            false => parameter,
        }
    }
}

/// Gradients of the trainable parameters, in the order of the visit.
struct Found<'a> {
    inner: &'a mut burn::tensor::Gradients,
    gradients: Vec<Option<FlexTensor>>,
}

impl ModuleVisitor for Found<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if parameter.is_require_grad() {
            let gradient = parameter.val().grad_remove(self.inner);
            self.gradients.push(gradient.map(host));
        }
    }
}

/// Sets the gradient of each trainable parameter, in the same order.
struct Register<'a> {
    gradients: std::vec::IntoIter<Option<FlexTensor>>,
    grads: &'a mut Gradients,
}

impl ModuleVisitor for Register<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if !parameter.is_require_grad() {
            return;
        }
        let Some(gradient) = self.gradients.next().flatten() else {
            return;
        };
        let tensor = parameter.val().try_into_primitive::<Autodiff<Flex>>();
        let node = tensor.expect("a trainable parameter on the CPU").id();
        self.grads.register::<Flex>(node, gradient);
    }
}

#[backend_extension(Flex, Autodiff)]
trait RecomputedKernel: Backend {
    fn recomputed(x: FloatTensor<Self>, replay: Replay) -> FloatTensor<Self>;

    /// A value whose gradient with respect to `y` is `gradient`.
    fn seeded(y: FloatTensor<Self>, gradient: FlexTensor) -> FloatTensor<Self>;
}

impl RecomputedKernel for Flex {
    fn recomputed(x: FlexTensor, replay: Replay) -> FlexTensor {
        replay.0.forward(x)
    }

    fn seeded(_: FlexTensor, _: FlexTensor) -> FlexTensor {
        Values::zeros(1).into_tensor([1])
    }
}

impl<C: CheckpointStrategy> RecomputedKernel for Autodiff<Flex, C> {
    fn recomputed(x: FloatTensor<Self>, replay: Replay) -> FloatTensor<Self> {
        // The parameters are not parents of the operation, so it must be traversed because of its
        // input.
        let x = if x.is_tracked() { x } else { x.require_grad() };
        let (x, node) = x.into_parts();
        let output = replay.0.forward(x.clone());
        let prepared = RecomputedBackward.prepare::<C>([node]).compute_bound();
        match prepared.stateful() {
            OpsKind::Tracked(preparation) => preparation.finish((x, replay), output),
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }

    fn seeded(y: FloatTensor<Self>, gradient: FlexTensor) -> FloatTensor<Self> {
        let prepared = SeededBackward.prepare::<C>([y.node()]).compute_bound();
        let value = Flex::seeded(y.into_primitive(), gradient.clone());
        match prepared.stateful() {
            OpsKind::Tracked(preparation) => preparation.finish(gradient, value),
            OpsKind::UnTracked(preparation) => preparation.finish(value),
        }
    }
}

#[derive(Debug)]
struct RecomputedBackward;

impl Backward<Flex, 1> for RecomputedBackward {
    type State = (FlexTensor, Replay);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = contiguous(&grads.consume::<Flex>(&ops.node));
        let (x, replay) = ops.state;
        let dx = replay.0.backward(x, dy, grads);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<Flex>(node.id, dx);
        }
    }
}

#[derive(Debug)]
struct SeededBackward;

impl Backward<Flex, 1> for SeededBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        grads.consume::<Flex>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<Flex>(node.id, ops.state);
        }
    }
}
