//! A training step of the whole model.

use std::time::Instant;

use burn::Tensor;
use burn::tensor::{Device, Gradients};
use kernels::{AdamWState, AdamWStep, Gate, RotaryTable, Segments, Sight};

use crate::{
    HEAD_DIM, HEADS, KV_HEADS, LAYERS, LINEAR_SHAPES, VOCABULARY, WIDTH, cpu_time, random,
};

/// One decoder layer's parameters.
struct Layer {
    norms: [Tensor<1>; 2],
    /// q, k, v, o, gate, up, down.
    linears: [Tensor<2>; 7],
}

/// Forward, backward and AdamW of the whole model, 4 sequences of 256 tokens, all supervised.
pub fn training_step() {
    let segments = Segments::new([256; 4]);
    let (tokens, positions) = (segments.tokens(), segments.positions());
    let table = RotaryTable::plain(1e4, HEAD_DIM, 256);
    let ids: Vec<u32> = (0..tokens as u32)
        .map(|i| i * 31 % VOCABULARY as u32)
        .collect();
    let weights = vec![1.0 / tokens as f32; tokens];
    let mut embedding = Trained::new(random([VOCABULARY, WIDTH]));
    let mut norms: Vec<Trained<1>> = (0..2 * LAYERS + 1)
        .map(|_| Trained::new(random([WIDTH]).inner() + 1.0))
        .collect();
    let mut linears: Vec<Trained<2>> = (0..LAYERS)
        .flat_map(|_| LINEAR_SHAPES)
        .map(|shape| Trained::new(random(shape).inner()))
        .collect();
    for count in 1..=5 {
        let (start, cpu_start) = (Instant::now(), cpu_time());
        let layers: Vec<Layer> = (0..LAYERS)
            .map(|layer| Layer {
                norms: [0, 1].map(|i| norms[2 * layer + i].leaf()),
                linears: [0, 1, 2, 3, 4, 5, 6].map(|i| linears[7 * layer + i].leaf()),
            })
            .collect();
        let (table_weight, last_norm) = (embedding.leaf(), norms[2 * LAYERS].leaf());
        let mut x = kernels::embedding(table_weight.clone(), &ids);
        for Layer { norms, linears } in &layers {
            let [q, k, v, o, gate, up, down] = linears.clone();
            let normed = kernels::rms_norm(x.clone(), norms[0].clone(), 1e-5);
            let heads = |weight: Tensor<2>, count: usize| {
                kernels::linear(normed.clone(), weight, None).reshape([tokens, count, HEAD_DIM])
            };
            let q = kernels::rotary(heads(q, HEADS), &table, &positions);
            let k = kernels::rotary(heads(k, KV_HEADS), &table, &positions);
            let mixed =
                kernels::attention(q, k, heads(v, KV_HEADS), &segments, 0.125, Sight::Causal);
            x = x + kernels::linear(mixed.reshape([tokens, WIDTH]), o, None);
            let normed = kernels::rms_norm(x.clone(), norms[1].clone(), 1e-5);
            let gate = kernels::linear(normed.clone(), gate, None);
            let up = kernels::linear(normed, up, None);
            x = x + kernels::linear(kernels::gated(gate, up, Gate::Silu), down, None);
        }
        let x = kernels::rms_norm(x, last_norm.clone(), 1e-5);
        let result = kernels::linear_cross_entropy(x, table_weight.clone(), &ids, &weights);
        let loss: f32 = result.token_losses.iter().sum::<f32>() / tokens as f32;
        let forward = start.elapsed();
        let mut grads = result.loss.backward();
        let backward = start.elapsed() - forward;
        let mut step = AdamWStep::new(1e-4, count);
        embedding.update(table_weight, &mut grads, &mut step);
        norms[2 * LAYERS].update(last_norm, &mut grads, &mut step);
        for (index, layer) in layers.into_iter().enumerate() {
            for (norm, leaf) in norms[2 * index..].iter_mut().zip(layer.norms) {
                norm.update(leaf, &mut grads, &mut step);
            }
            for (linear, leaf) in linears[7 * index..].iter_mut().zip(layer.linears) {
                linear.update(leaf, &mut grads, &mut step);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let cpu = (cpu_time() - cpu_start).as_secs_f64();
        println!(
            "step {count}: loss {loss:.3}, {seconds:.3} s = {:.0} tokens/s ({cpu:.3} CPU s); forward {:.3}, backward {:.3}; peak {:.2} GB",
            tokens as f64 / seconds,
            forward.as_secs_f64(),
            backward.as_secs_f64(),
            kernels::peak_memory() as f64 / 1e9,
        );
    }
}

/// A parameter with its moments.
struct Trained<const D: usize> {
    state: Option<AdamWState<D>>,
}

impl<const D: usize> Trained<D> {
    fn new(parameter: Tensor<D>) -> Self {
        let parameter = if parameter.is_autodiff() {
            parameter.inner()
        } else {
            parameter
        };
        let zeros = || Tensor::zeros(parameter.dims(), &Device::flex());
        let (first_moment, second_moment) = (zeros(), zeros());
        Self {
            state: Some(AdamWState {
                parameter,
                first_moment,
                second_moment,
            }),
        }
    }

    fn leaf(&self) -> Tensor<D> {
        let state = self.state.as_ref().expect("there between updates");
        Tensor::from_inner(state.parameter.clone()).require_grad()
    }

    fn update(&mut self, leaf: Tensor<D>, grads: &mut Gradients, step: &mut AdamWStep) {
        let gradient = leaf.grad_remove(grads).expect("every parameter is used");
        drop(leaf);
        let state = self.state.take().expect("there between updates");
        self.state = Some(kernels::adamw(state, gradient, step));
    }
}
