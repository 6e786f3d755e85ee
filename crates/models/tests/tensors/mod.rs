//! Values and gradients of tensors, for comparisons with a reference.
#![allow(dead_code, reason = "not every test program uses all of them")]

use std::collections::BTreeMap;

use burn::Tensor;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Gradients;
use models::ParameterPath;

/// The values of a tensor, row by row.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The gradients of `loss` by the name of the parameter; `None` for a parameter without one.
pub fn gradients<M: Module>(network: &M, loss: &Tensor<1>) -> BTreeMap<String, Option<Vec<f32>>> {
    struct Collect<'a> {
        gradients: &'a Gradients,
        path: ParameterPath,
        found: BTreeMap<String, Option<Vec<f32>>>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.gradients).map(values);
            self.found.insert(self.path.name(), gradient);
        }
    }
    let mut collect = Collect {
        gradients: &loss.backward(),
        path: ParameterPath::default(),
        found: BTreeMap::new(),
    };
    network.visit(&mut collect);
    collect.found
}
