//! Speed of each operation in the shapes of SmolLM2-135M, then of a whole training step and of
//! decoding: `cargo run --release -p kernels --example throughput [f32|bf16] [part of a name]`.
//!
//! Times are the best of several. Where other programs share the processor, compare the CPU
//! seconds, not the wall clock.

use std::time::{Duration, Instant};

use burn::Tensor;
use burn::tensor::{Device, Distribution, Gradients};
use kernels::{
    AdamWState, AdamWStep, KvCache, PackedLinear, Precision, RotaryTable, Segments, WeightFormat,
};

const LAYERS: usize = 30;
const WIDTH: usize = 576;
const MLP: usize = 1536;
const HEADS: usize = 9;
const KV_HEADS: usize = 3;
const HEAD_DIM: usize = 64;
const VOCABULARY: usize = 49_152;

fn main() {
    kernels::retain_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bf16 = arguments.iter().any(|argument| argument == "bf16");
    let precision = if bf16 {
        Precision::Bf16
    } else {
        Precision::F32
    };
    let wanted = |name: &str| {
        let mut parts = arguments
            .iter()
            .filter(|a| !["f32", "bf16"].contains(&a.as_str()));
        parts.clone().next().is_none() || parts.any(|part| name.contains(part.as_str()))
    };
    println!("{precision:?}, {} threads", rayon::current_num_threads());
    precision.scope(|| {
        operations(&wanted);
        if wanted("step") {
            training_step();
        }
    });
    if wanted("decode") {
        let format = if bf16 {
            WeightFormat::Bf16
        } else {
            WeightFormat::F32
        };
        for batch in [1, 16] {
            decode(format, batch);
        }
    }
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let device = Device::flex().autodiff();
    Tensor::random(shape, Distribution::Normal(0.0, 0.02), &device).require_grad()
}

/// CPU time of the whole process.
fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

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

/// Times forward, and forward with backward, of `body`, whose multiplications and additions are `work` and
/// `work_both`; 0 where bytes count.
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

fn operations(wanted: &dyn Fn(&str) -> bool) {
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
            kernels::attention(q.clone(), k.clone(), v.clone(), &segments, 0.125)
        });
    }
    if wanted("rms_norm") {
        let (x, weight) = (random([tokens, WIDTH]), random([WIDTH]));
        differentiable("rms_norm", [0.0; 2], || {
            kernels::rms_norm(x.clone(), weight.clone(), 1e-5)
        });
    }
    if wanted("swiglu") {
        let (gate, up) = (random([tokens, MLP]), random([tokens, MLP]));
        differentiable("swiglu", [0.0; 2], || {
            kernels::swiglu(gate.clone(), up.clone())
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

/// One decoder layer's parameters.
struct Layer {
    norms: [Tensor<1>; 2],
    /// q, k, v, o, gate, up, down.
    linears: [Tensor<2>; 7],
}

const LINEAR_SHAPES: [[usize; 2]; 7] = [
    [WIDTH, WIDTH],
    [KV_HEADS * HEAD_DIM, WIDTH],
    [KV_HEADS * HEAD_DIM, WIDTH],
    [WIDTH, WIDTH],
    [MLP, WIDTH],
    [MLP, WIDTH],
    [WIDTH, MLP],
];

/// Forward, backward and AdamW of the whole model, 4 sequences of 256 tokens, all supervised.
fn training_step() {
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
            let mixed = kernels::attention(q, k, heads(v, KV_HEADS), &segments, 0.125);
            x = x + kernels::linear(mixed.reshape([tokens, WIDTH]), o, None);
            let normed = kernels::rms_norm(x.clone(), norms[1].clone(), 1e-5);
            let gate = kernels::linear(normed.clone(), gate, None);
            let up = kernels::linear(normed, up, None);
            x = x + kernels::linear(kernels::swiglu(gate, up), down, None);
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

/// 64 prompt tokens, then 128 new ones for each of `batch` sequences.
fn decode(format: WeightFormat, batch: usize) {
    let plain = |shape: [usize; 2]| random(shape).inner();
    let embedding = plain([VOCABULARY, WIDTH]);
    let head = PackedLinear::new(embedding.clone(), None, format);
    let norm = Tensor::<1>::ones([WIDTH], &Device::flex());
    let layers: Vec<[PackedLinear; 7]> = (0..LAYERS)
        .map(|_| LINEAR_SHAPES.map(|shape| PackedLinear::new(plain(shape), None, format)))
        .collect();
    let table = RotaryTable::plain(1e4, HEAD_DIM, 256);
    let mut cache = KvCache::new(LAYERS);
    let slots: Vec<_> = (0..batch).map(|_| cache.open()).collect();
    let mut forward = |segments: &Segments, ids: &[u32]| -> Vec<u32> {
        let tokens = segments.tokens();
        let positions = cache.positions(segments, &slots);
        let mut x = kernels::embedding(embedding.clone(), ids);
        for (layer, [q, k, v, o, gate, up, down]) in layers.iter().enumerate() {
            let normed = kernels::rms_norm(x.clone(), norm.clone(), 1e-5);
            let heads = |linear: &PackedLinear, count: usize| {
                linear
                    .forward(normed.clone())
                    .reshape([tokens, count, HEAD_DIM])
            };
            let q = kernels::rotary(heads(q, HEADS), &table, &positions);
            let k = kernels::rotary(heads(k, KV_HEADS), &table, &positions);
            let v = heads(v, KV_HEADS);
            let mixed =
                kernels::cached_attention(q, k, v, segments, &mut cache, layer, &slots, 0.125);
            x = x + o.forward(mixed.reshape([tokens, WIDTH]));
            let normed = kernels::rms_norm(x.clone(), norm.clone(), 1e-5);
            let (gate, up) = (gate.forward(normed.clone()), up.forward(normed));
            x = x + down.forward(kernels::swiglu(gate, up));
        }
        let last: Vec<Tensor<2>> = (segments.last_tokens().into_iter().flatten())
            .map(|token| x.clone().slice_dim(0, token..token + 1))
            .collect();
        let logits = head.forward(kernels::rms_norm(Tensor::cat(last, 0), norm.clone(), 1e-5));
        let best = logits.argmax(1).into_data();
        best.iter::<u32>().collect()
    };
    let start = Instant::now();
    let prompt: Vec<u32> = (0..64 * batch as u32).collect();
    let mut ids = forward(&Segments::new(vec![64; batch]), &prompt);
    let prefill = start.elapsed().as_secs_f64();
    let (start, cpu_start) = (Instant::now(), cpu_time());
    for _ in 0..128 {
        ids = forward(&Segments::new(vec![1; batch]), &ids);
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu = (cpu_time() - cpu_start).as_secs_f64();
    println!(
        "decode {format:?}, batch {batch}: {:.0} tokens/s ({:.2} ms a step, {:.2} CPU), prompt {:.0} tokens/s",
        (128 * batch) as f64 / seconds,
        seconds / 128.0 * 1e3,
        cpu / 128.0 * 1e3,
        (64 * batch) as f64 / prefill,
    );
}
