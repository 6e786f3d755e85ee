//! AdamW over the trainable parameters of a module.

use std::collections::BTreeMap;

use burn::Tensor;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Device;
use kernels::{AdamWState, AdamWStep, adamw};

use super::gradients::Gradients;
use models::ParameterPath;

use super::parameters::{NamedTensors, flatten};

/// Names of the two moments in optimiser files, as in PyTorch's state dictionary.
const FIRST_MOMENT: &str = "exp_avg.";
const SECOND_MOMENT: &str = "exp_avg_sq.";

/// The optimiser's state: two moments for each parameter that has been updated.
#[derive(Debug, Default)]
pub struct AdamW {
    moments: BTreeMap<String, Moments>,
}

/// Running means of a parameter's gradient and of its square, flat.
#[derive(Debug)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
}

impl AdamW {
    /// Updates every parameter that has a gradient. `step.weight_decay` applies to parameters of
    /// two or more dimensions; norms and biases do not decay.
    pub fn step<M: Module>(&mut self, module: M, gradients: Gradients, step: &AdamWStep) -> M {
        self.step_at_rates(module, gradients, step, |_| 1.0)
    }

    /// [`AdamW::step`] with a factor on the learning rate of each parameter, by name.
    pub fn step_at_rates<M: Module>(
        &mut self,
        module: M,
        gradients: Gradients,
        step: &AdamWStep,
        factor: impl Fn(&str) -> f64,
    ) -> M {
        module.map(&mut Update {
            path: ParameterPath::default(),
            optimizer: self,
            gradients,
            step,
            factor: &factor,
        })
    }

    /// The state as tensors by name, for a checkpoint.
    pub fn tensors(&self) -> NamedTensors {
        let shaped = |tensor: &Tensor<1>| (tensor.dims().to_vec(), tensor.clone());
        self.moments
            .iter()
            .flat_map(|(name, Moments { first, second })| {
                [
                    (format!("{FIRST_MOMENT}{name}"), shaped(first)),
                    (format!("{SECOND_MOMENT}{name}"), shaped(second)),
                ]
            })
            .collect()
    }

    /// Restores the state from the tensors of [`AdamW::tensors`]; tensors without a counterpart are
    /// ignored.
    pub fn from_tensors(mut tensors: NamedTensors) -> Self {
        let names: Vec<String> = tensors
            .keys()
            .filter_map(|key| key.strip_prefix(FIRST_MOMENT))
            .map(String::from)
            .collect();
        let mut moments = BTreeMap::new();
        for name in names {
            let first = tensors.remove(&format!("{FIRST_MOMENT}{name}"));
            let second = tensors.remove(&format!("{SECOND_MOMENT}{name}"));
            if let (Some((_, first)), Some((_, second))) = (first, second) {
                moments.insert(name, Moments { first, second });
            }
        }
        Self { moments }
    }

    /// Takes the moments of `name` out, so that they can be updated in place.
    fn take(&mut self, name: &str, elements: usize, device: &Device) -> Moments {
        self.moments.remove(name).unwrap_or_else(|| Moments {
            first: Tensor::zeros([elements], device),
            second: Tensor::zeros([elements], device),
        })
    }
}

struct Update<'a> {
    path: ParameterPath,
    optimizer: &'a mut AdamW,
    gradients: Gradients,
    step: &'a AdamWStep,
    factor: &'a dyn Fn(&str) -> f64,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let Some(gradient) = self.gradients.take(&name) else {
            return parameter;
        };
        let step = AdamWStep {
            weight_decay: if D >= 2 { self.step.weight_decay } else { 0.0 },
            learning_rate: self.step.learning_rate * (self.factor)(&name),
            ..*self.step
        };
        parameter.map(|tensor| {
            let parameter = tensor.inner();
            let shape = parameter.dims();
            let parameter = flatten(parameter);
            let moments = self
                .optimizer
                .take(&name, gradient.dims()[0], &parameter.device());
            let state = AdamWState {
                parameter,
                first_moment: moments.first,
                second_moment: moments.second,
            };
            let state = adamw(state, gradient, &step);
            let moments = Moments {
                first: state.first_moment,
                second: state.second_moment,
            };
            self.optimizer.moments.insert(name, moments);
            state.parameter.reshape(shape).autodiff().require_grad()
        })
    }
}
