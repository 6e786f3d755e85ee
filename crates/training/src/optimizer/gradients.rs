//! Gradients of one optimiser step, summed over its micro batches.

use std::collections::BTreeMap;

use burn::Tensor;
use burn::module::{Module, ModuleVisitor, Param};

use models::ParameterPath;

use super::parameters::{flatten, is_trainable};

/// The sum of gradients, one flat tensor for each trainable parameter, by name.
#[derive(Debug, Default)]
pub struct Gradients {
    by_name: BTreeMap<String, Tensor<1>>,
}

impl Gradients {
    /// Adds the gradients that `backward` left for the trainable parameters of `module`.
    pub fn add<M: Module>(&mut self, module: &M, backward: burn::tensor::Gradients) {
        struct Collect<'a> {
            path: ParameterPath,
            backward: burn::tensor::Gradients,
            sum: &'a mut BTreeMap<String, Tensor<1>>,
        }
        impl ModuleVisitor for Collect<'_> {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.path.enter(name, container);
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.exit();
            }
            fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
                if !is_trainable(parameter) {
                    return;
                }
                if let Some(gradient) = parameter.val().grad_remove(&mut self.backward) {
                    let name = self.path.name();
                    let gradient = flatten(gradient);
                    let sum = match self.sum.remove(&name) {
                        Some(sum) => sum + gradient,
                        None => gradient,
                    };
                    self.sum.insert(name, sum);
                }
            }
        }
        module.visit(&mut Collect {
            path: ParameterPath::default(),
            backward,
            sum: &mut self.by_name,
        });
    }

    /// The L2 norm over all parameters together.
    pub fn norm(&self) -> f64 {
        self.by_name
            .values()
            .map(kernels::sum_of_squares)
            .sum::<f64>()
            .sqrt()
    }

    /// The gradient of the parameter called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor<1>> {
        self.by_name.get(name)
    }

    /// Takes the gradient of the parameter `name` out, so that its memory can be reused.
    pub(crate) fn take(&mut self, name: &str) -> Option<Tensor<1>> {
        self.by_name.remove(name)
    }
}

/// The factor that scales a gradient of L2 norm `norm` down to `max_norm`; 1 if it is shorter or
/// `max_norm` is 0. Computed as in `torch.nn.utils.clip_grad_norm_`.
pub fn clipping_factor(norm: f64, max_norm: f64) -> f64 {
    if max_norm == 0.0 {
        1.0
    } else {
        (max_norm / (norm + 1e-6)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_gradients_are_clipped() {
        assert_eq!(clipping_factor(0.5, 1.0), 1.0);
        assert!((clipping_factor(4.0, 1.0) - 0.25).abs() < 1e-6);
        assert_eq!(clipping_factor(4.0, 0.0), 1.0);
    }
}
