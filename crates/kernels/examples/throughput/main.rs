//! Speed of each operation in the shapes of SmolLM2-135M, then of a whole training step and of
//! decoding: `cargo run --release -p kernels --example throughput [f32|bf16] [part of a name]`.
//!
//! Times are the best of several. If other programs share the CPU, compare CPU seconds, not
//! wall-clock time.

mod decoding;
mod operations;
mod training;

use std::time::Duration;

use burn::Tensor;
use burn::tensor::{Device, Distribution};
use kernels::Precision;

use self::decoding::decode;
use self::operations::operations;
use self::training::training_step;

const LAYERS: usize = 30;
const WIDTH: usize = 576;
const MLP: usize = 1536;
const HEADS: usize = 9;
const KV_HEADS: usize = 3;
const HEAD_DIM: usize = 64;
const VOCABULARY: usize = 49_152;

/// q, k, v, o, gate, up, down.
const LINEAR_SHAPES: [[usize; 2]; 7] = [
    [WIDTH, WIDTH],
    [KV_HEADS * HEAD_DIM, WIDTH],
    [KV_HEADS * HEAD_DIM, WIDTH],
    [WIDTH, WIDTH],
    [MLP, WIDTH],
    [MLP, WIDTH],
    [WIDTH, MLP],
];

fn main() {
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
            Precision::Bf16
        } else {
            Precision::F32
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
