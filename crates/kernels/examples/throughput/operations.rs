//! Each operation by itself.

use std::time::{Duration, Instant};

use burn::Tensor;
use burn::tensor::Device;
use kernels::{AdamWState, AdamWStep, Gate, RotaryTable, Segments, Sight};

use crate::{HEAD_DIM, HEADS, KV_HEADS, MLP, VOCABULARY, WIDTH, cpu_time, random};

/// Best wall-clock and CPU seconds of several runs, with the threads awake as they are in a training
/// step.
fn best(mut body: impl FnMut()) -> (f64, f64) {
    body();
    let (mut wall, mut cpu) = (f64::INFINITY, f64::INFINITY);
    kernels::together(&Device::flex(), || {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(300) {
            let (start, cpu_start) = (Instant::now(), cpu_time());
            body();
            wall = wall.min(start.elapsed().as_secs_f64());
            cpu = cpu.min((cpu_time() - cpu_start).as_secs_f64());
        }
    });
    (wall, cpu)
}

/// Times the forward pass of `body`, and the forward and backward passes together; `work` and
/// `work_both` are the multiplications and additions of each, or 0 if bytes are what counts.
fn differentiable<const D: usize>(
    name: &str,
    [work, work_both]: [f64; 2],
    body: impl Fn() -> Tensor<D>,
) {
    let (wall, cpu) = best(|| drop(body()));
    let (wall_both, cpu_both) = best(|| drop(body().backward()));
    let rate = |work: f64, seconds: f64| work / seconds / 1e9;
    println!(
        "{name:32} forward {:8.3} ms ({:7.3} CPU, {:4.0} GFLOP/s)  with backward {:8.3} ms ({:7.3} CPU, {:4.0} GFLOP/s)",
        wall * 1e3,
        cpu * 1e3,
        rate(work, wall),
        wall_both * 1e3,
        cpu_both * 1e3,
        rate(work_both, wall_both),
    );
}

pub fn operations(wanted: &dyn Fn(&str) -> bool) {
    let tokens = 1024;
    let segments = Segments::new([256; 4]);
    for (name, width, out) in [
        ("linear 576 -> 576", WIDTH, WIDTH),
        ("linear 576 -> 192", WIDTH, KV_HEADS * HEAD_DIM),
        ("linear 576 -> 1536", WIDTH, MLP),
        ("linear 1536 -> 576", MLP, WIDTH),
    ] {
        if wanted(name) {
            let (x, weight) = (random([tokens, width]), random([out, width]));
            let work = 2.0 * (tokens * width * out) as f64;
            differentiable(name, [work, 3.0 * work], || {
                kernels::linear(x.clone(), weight.clone(), None)
            });
        }
    }
    if wanted("attention") {
        let q = random([tokens, HEADS, HEAD_DIM]);
        let (k, v) = (
            random([tokens, KV_HEADS, HEAD_DIM]),
            random([tokens, KV_HEADS, HEAD_DIM]),
        );
        // Two products over half of the square.
        let work = 2.0 * (tokens * 256 * HEADS * HEAD_DIM) as f64;
        differentiable("attention 4 x 256", [work, 3.0 * work], || {
            kernels::attention(
                q.clone(),
                k.clone(),
                v.clone(),
                &segments,
                0.125,
                Sight::Causal,
            )
        });
    }
    if wanted("rms_norm") {
        let (x, weight) = (random([tokens, WIDTH]), random([WIDTH]));
        differentiable("rms_norm", [0.0; 2], || {
            kernels::rms_norm(x.clone(), weight.clone(), 1e-5)
        });
    }
    if wanted("gated") {
        let (gate, up) = (random([tokens, MLP]), random([tokens, MLP]));
        differentiable("gated", [0.0; 2], || {
            kernels::gated(gate.clone(), up.clone(), Gate::Silu)
        });
    }
    if wanted("rotary") {
        let x = random([tokens, HEADS, HEAD_DIM]);
        let table = RotaryTable::plain(1e4, HEAD_DIM, 256);
        let positions = segments.positions();
        differentiable("rotary", [0.0; 2], || {
            kernels::rotary(x.clone(), &table, &positions)
        });
    }
    if wanted("add") {
        let (a, b) = (random([tokens, WIDTH]), random([tokens, WIDTH]));
        differentiable("add (Burn's)", [0.0; 2], || a.clone() + b.clone());
    }
    if wanted("embedding") {
        let weight = random([VOCABULARY, WIDTH]);
        let ids: Vec<u32> = (0..tokens as u32).map(|i| i * 47).collect();
        differentiable("embedding", [0.0; 2], || {
            kernels::embedding(weight.clone(), &ids)
        });
    }
    if wanted("cross_entropy") {
        let (hidden, weight) = (random([tokens, WIDTH]), random([VOCABULARY, WIDTH]));
        let targets: Vec<u32> = (0..tokens as u32).map(|i| i * 47).collect();
        let weights = vec![1.0; tokens];
        // All three products are in the forward pass.
        let work = 6.0 * (tokens * WIDTH * VOCABULARY) as f64;
        differentiable("cross_entropy (3 products)", [work, work], || {
            kernels::linear_cross_entropy(hidden.clone(), weight.clone(), &targets, &weights).loss
        });
    }
    if wanted("adamw") {
        let mut state = Some(AdamWState {
            parameter: random([VOCABULARY, WIDTH]).inner(),
            first_moment: random([VOCABULARY, WIDTH]).inner(),
            second_moment: random([VOCABULARY, WIDTH]).inner().abs(),
        });
        let gradient = random([VOCABULARY, WIDTH]).inner();
        let (wall, cpu) = best(|| {
            let before = state.take().expect("put back below");
            state = Some(kernels::adamw(
                before,
                gradient.clone(),
                &AdamWStep::new(1e-4, 10),
            ));
        });
        let bytes = 7.0 * 4.0 * (VOCABULARY * WIDTH) as f64;
        println!(
            "{:32} {:8.3} ms ({:.3} CPU, {:.1} GB/s)",
            "adamw 49152 x 576",
            wall * 1e3,
            cpu * 1e3,
            bytes / wall / 1e9
        );
    }
}
