//! Linear layers as one operation equal the composition of single operations: values and every
//! gradient, with norms and activations before them, adapters, biases, frozen weights and residuals.

mod levels;
mod tensors;

use std::sync::{Arc, Mutex};

use burn::Tensor;
use burn::module::{Module, Param};
use kernels::{
    Activation, Adapter, Dropout, FrozenWeight, Gate, Input, Linears, Precision, Projection,
    ProjectionWeight, linears, recomputed,
};
use tensors::{close, compare, frozen, gradients, random};

/// Tokens, and the sizes of input and outputs.
const TOKENS: usize = 48;
const WIDTH: usize = 24;
const OUTPUTS: [usize; 3] = [48, 17, 16];

/// The inputs that are computed of `x` and the other tensors.
fn inputs(
    x: &Tensor<2>,
    other: &Tensor<2>,
    gain: &Tensor<1>,
    bias: &Tensor<1>,
) -> Vec<(&'static str, Input)> {
    let (x, up, epsilon) = (x.clone(), other.clone(), 1e-5);
    let (gain, bias) = (gain.clone(), bias.clone());
    vec![
        ("plain", Input::Plain(x.clone())),
        (
            "RMS norm",
            Input::RmsNorm {
                x: x.clone(),
                gain: gain.clone(),
                epsilon,
            },
        ),
        (
            "layer norm",
            Input::LayerNorm {
                x: x.clone(),
                gain,
                bias,
                epsilon,
            },
        ),
        (
            "activation",
            Input::Activated {
                x: x.clone(),
                activation: Activation::GeluTanh,
            },
        ),
        (
            "gated",
            Input::Gated {
                gate: x,
                up,
                activation: Gate::Silu,
            },
        ),
    ]
}

/// Layers with biases on the first two.
fn layers() -> [Projection; 3] {
    std::array::from_fn(|index| Projection {
        bias: (index < 2).then(|| random([OUTPUTS[index]], 80 + index as u32)),
        ..random([OUTPUTS[index], WIDTH], 3 + index as u32).into()
    })
}

/// The weight as a tensor.
fn plain(layer: &Projection) -> Tensor<2> {
    match &layer.weight {
        ProjectionWeight::Plain(weight) => weight.clone(),
        ProjectionWeight::Frozen(_) => panic!("packed"),
    }
}

/// All outputs and the source in one tensor.
fn joined<const N: usize>(linears: Linears<N>) -> Tensor<2> {
    let Linears { outputs, source } = linears;
    let mut parts = outputs.to_vec();
    parts.push(source);
    Tensor::cat(parts, 1)
}

#[test]
fn layers_of_every_input_agree() {
    let x = random([TOKENS, WIDTH], 1);
    let other = random([TOKENS, WIDTH], 2);
    let gain = (frozen([WIDTH], 7) + 1.5).require_grad();
    let bias = random([WIDTH], 8);
    for (name, input) in inputs(&x, &other, &gain, &bias) {
        let layers = layers();
        let fast = joined(linears(input.clone(), layers.clone(), None, None));
        let portable = kernels::linears::portable(input, layers.clone(), None, None);
        let portable = joined(portable);
        close(fast.clone(), portable.clone(), 1e-3);
        let (fast, portable) = (gradients(fast), gradients(portable));
        let mut compared = 0;
        let mut agree = |fast: Option<Tensor<2>>, portable: Option<Tensor<2>>| {
            assert_eq!(fast.is_some(), portable.is_some(), "{name}");
            if let (Some(fast), Some(portable)) = (fast, portable) {
                close(fast, portable, 1e-3);
                compared += 1;
            }
        };
        for tensor in [&x, &other]
            .into_iter()
            .chain(&layers.each_ref().map(plain))
        {
            agree(tensor.grad(&fast), tensor.grad(&portable));
        }
        let biases = layers.iter().filter_map(|layer| layer.bias.as_ref());
        for tensor in [&gain, &bias].into_iter().chain(biases) {
            let of = |all| tensor.grad(all).map(|gradient| gradient.unsqueeze());
            agree(of(&fast), of(&portable));
        }
        assert!(compared >= 6, "{name}: {compared}");
    }
}

#[test]
fn a_layer_onto_a_residual_agrees() {
    let gate = random([TOKENS, WIDTH], 1);
    let up = random([TOKENS, WIDTH], 2);
    let residual = random([TOKENS, 17], 3);
    let weight = random([17, WIDTH], 4);
    let bias = random([17], 5);
    for activation in [Gate::Silu, Gate::GeluTanh] {
        let input = Input::Gated {
            gate: gate.clone(),
            up: up.clone(),
            activation,
        };
        let layer = Projection {
            bias: Some(bias.clone()),
            ..weight.clone().into()
        };
        let residual_of = || Some(residual.clone());
        let [fast] = linears(input.clone(), [layer.clone()], residual_of(), None).outputs;
        let [portable] = kernels::linears::portable(input, [layer], residual_of(), None).outputs;
        compare!(1e-3, [gate, up, residual, weight, bias], fast, portable);
    }
}

/// The residual stream of a block: the source goes on and gets both gradients.
#[test]
fn a_source_that_goes_on_gets_both_gradients() {
    let x = random([TOKENS, WIDTH], 1);
    let weight = random([WIDTH, WIDTH], 2);
    let gain = (frozen([WIDTH], 3) + 1.5).require_grad();
    let block = |one_operation: bool| {
        let input = Input::RmsNorm {
            x: x.clone(),
            gain: gain.clone(),
            epsilon: 1e-5,
        };
        let layer = [weight.clone().into()];
        let Linears {
            outputs: [y],
            source,
        } = match one_operation {
            true => linears(input, layer, None, None),
            false => kernels::linears::portable(input, layer, None, None),
        };
        y * source.clone() + source
    };
    compare!(1e-3, [x, weight, gain], block(true), block(false));
}

/// Adapters of odd ranks on some of the layers, with dropout, beside frozen weights: packed or not.
#[test]
fn adapters_agree() {
    let x = random([TOKENS, WIDTH], 1);
    let ranks = [3, 0, 5];
    for (packed, share) in [
        (None, None),
        (None, Some(0.3)),
        (Some(Precision::F32), Some(0.3)),
        (Some(Precision::Bf16), Some(0.3)),
        (Some(Precision::Int8), None),
    ] {
        let mut layers = layers();
        for (index, (layer, rank)) in layers.iter_mut().zip(ranks).enumerate() {
            let seed = index as u32;
            let weight = frozen(plain(layer).dims(), 60 + seed) * 0.2;
            layer.weight = ProjectionWeight::Plain(weight);
            layer.adapter = (rank > 0).then(|| Adapter {
                a: random([rank, WIDTH], 20 + seed),
                b: random([OUTPUTS[index], rank], 40 + seed),
                scale: 0.05 * f64::from(seed + 1),
            });
        }
        let dropout = share.map(|share| Dropout { share, seed: 11 });
        let input = Input::Plain(x.clone());
        let portable = kernels::linears::portable(input.clone(), layers.clone(), None, dropout);
        if let Some(format) = packed {
            for layer in &mut layers {
                let weight = FrozenWeight::new(plain(layer), format).unwrap();
                assert_eq!(weight.shape(), plain(layer).dims());
                layer.weight = ProjectionWeight::Frozen(weight);
            }
        }
        let fast = linears(input, layers.clone(), None, dropout);
        // Rounding of the factors, relative to all values together; f32 value by value.
        let rounding = match packed {
            None | Some(Precision::F32) => None,
            Some(Precision::Bf16) => Some(0.01),
            Some(Precision::Int8) => Some(0.025),
        };
        let agree = |fast: Tensor<2>, portable: Tensor<2>| match rounding {
            None => close(fast, portable, 1e-3),
            Some(rounding) => close_together(fast, portable, rounding),
        };
        let (fast, portable) = (joined(fast), joined(portable));
        agree(fast.clone(), portable.clone());
        let (fast, portable) = (gradients(fast), gradients(portable));
        agree(x.grad(&fast).unwrap(), x.grad(&portable).unwrap());
        for layer in &layers {
            if let Some(Adapter { a, b, .. }) = &layer.adapter {
                agree(a.grad(&fast).unwrap(), a.grad(&portable).unwrap());
                agree(b.grad(&fast).unwrap(), b.grad(&portable).unwrap());
            }
            if let Some(bias) = &layer.bias {
                let [fast, portable] =
                    [&fast, &portable].map(|all| bias.grad(all).unwrap().unsqueeze());
                agree(fast, portable);
            }
        }
    }
}

/// Whether the difference is at most this share of the values, each by their L2 norm.
fn close_together(fast: Tensor<2>, portable: Tensor<2>, share: f32) {
    let norm = |values: Tensor<2>| values.square().sum().sqrt().into_scalar::<f32>();
    let (difference, all) = (norm(fast - portable.clone()), norm(portable));
    assert!(difference <= share * all, "{difference} of {all}");
}

/// Gradients are computed for what asks for them and nothing else.
#[test]
fn frozen_layers_pass_the_gradient_on() {
    let x = random([5, 8], 1);
    let (trained, kept) = (random([4, 8], 2), frozen([6, 8], 3));
    let run = || {
        let layers = [trained.clone().into(), kept.clone().into()];
        linears(Input::Plain(x.clone()), layers, None, None)
    };
    let all = gradients(joined(run()));
    assert!(x.grad(&all).is_some() && trained.grad(&all).is_some());
    assert!(kept.grad(&all).is_none());
    // An output that nothing depends on.
    let [used, _] = run().outputs;
    let one = gradients(used);
    assert!(trained.grad(&one).is_some());
}

#[derive(Module, Debug)]
struct Toy {
    trained: Param<Tensor<2>>,
    frozen: Param<Tensor<2>>,
}

impl Toy {
    fn new() -> Self {
        Self {
            trained: Param::from_tensor(random([WIDTH, WIDTH], 5)),
            frozen: Param::from_tensor(frozen([WIDTH, WIDTH], 6)).set_require_grad(false),
        }
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let layers = [self.trained.val().into(), self.frozen.val().into()];
        let Linears {
            outputs: [a, b],
            source,
        } = linears(Input::Plain(x), layers, None, None);
        a * b + source
    }
}

#[test]
fn what_is_computed_again_has_the_same_gradients() {
    let toy = Toy::new();
    let trained = toy.trained.val();
    let x = random([TOKENS, WIDTH], 1);
    let twice = |again: bool| {
        let run = |x| match again {
            true => recomputed(x, &toy, |toy: &Toy, x| toy.run(x) * 0.1),
            false => toy.run(x) * 0.1,
        };
        run(run(x.clone()))
    };
    compare!(1e-4, [x, trained], twice(true), twice(false));
    // Nothing trainable before it: its parameters get their gradients all the same.
    let constant = frozen([TOKENS, WIDTH], 1);
    let first = |again: bool| match again {
        true => recomputed(constant.clone(), &toy, |toy: &Toy, x| toy.run(x)),
        false => toy.run(constant.clone()),
    };
    compare!(1e-4, [trained], first(true), first(false));
}

/// The last product of a block is read by the first run alone; the gradients are the same.
#[test]
fn nobody_needs_the_last_product_again() {
    let toy = Toy::new();
    let trained = toy.trained.val();
    let x = random([TOKENS, WIDTH], 1);
    let layer = |toy: &Toy| Projection {
        weight: ProjectionWeight::Plain(toy.trained.val()),
        bias: None,
        adapter: Some(Adapter {
            a: toy.frozen.val().slice_dim(0, 0..3),
            b: toy.frozen.val().slice([0..WIDTH, 0..3]),
            scale: 0.5,
        }),
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let block = {
        let seen = seen.clone();
        move |toy: &Toy, x: Tensor<2>| {
            let y = toy.run(x.clone());
            let y = kernels::linears::last(Input::Plain(y), layer(toy), x.clone(), None);
            let added = (y.clone() - x).abs().max().into_scalar::<f32>();
            seen.lock().unwrap().push(added);
            y
        }
    };
    // One within another: the value of the inner one is read.
    let inner = block.clone();
    let outer = move |toy: &Toy, x: Tensor<2>| {
        let y = recomputed(x.clone(), toy, inner.clone()) * 0.1;
        kernels::linears::last(Input::Plain(y), layer(toy), x, None)
    };
    let plain = {
        let block = block.clone();
        move |toy: &Toy, x: Tensor<2>| {
            let y = block(toy, x.clone()) * 0.1;
            kernels::linears::last(Input::Plain(y), layer(toy), x, None)
        }
    };
    compare!(
        1e-4,
        [x, trained],
        recomputed(x.clone(), &toy, block.clone()),
        block(&toy, x.clone())
    );
    let added = std::mem::take(&mut *seen.lock().unwrap());
    let left_out = added.iter().filter(|added| **added == 0.0).count();
    assert_eq!((added.len(), left_out), (3, 1), "{added:?}");
    compare!(
        1e-4,
        [x, trained],
        recomputed(x.clone(), &toy, outer.clone()),
        plain(&toy, x.clone())
    );
}

#[test]
fn products_that_are_computed_again_keep_their_precision() {
    let toy = Toy::new();
    let x = random([TOKENS, WIDTH], 1);
    let [again, once] = [true, false].map(|again| {
        let y = Precision::Bf16.scope(|| match again {
            true => recomputed(x.clone(), &toy, |toy: &Toy, x| toy.run(x)),
            false => toy.run(x.clone()),
        });
        let gradients = gradients(y);
        x.grad(&gradients).unwrap().into_data()
    });
    again.assert_eq(&once, true);
}

#[test]
fn lower_simd_levels_agree_too() {
    levels::run_at_lower_levels("lower_simd_levels_agree_too");
}
