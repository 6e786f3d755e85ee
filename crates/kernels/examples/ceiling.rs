//! Peak arithmetic throughput and memory bandwidth of this machine: multiplications in registers,
//! and bytes to and from memory. The results of `throughput` are compared with these.
//!
//! ```text
//! cargo run --release -p kernels --example ceiling
//! ```
//! All threads of rayon's pool at once (`RAYON_NUM_THREADS`); the best of several.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

fn main() {
    let threads = rayon::current_num_threads();
    println!("{threads} threads");
    #[cfg(target_arch = "x86_64")]
    registers::measure();
    memory(threads);
}

/// Reads and copies arrays far larger than the caches.
fn memory(threads: usize) {
    let elements = threads << 26;
    let from = vec![1.0_f32; elements];
    let mut to = vec![0.0_f32; elements];
    let part = elements / threads;
    let bytes = (4 * elements) as f64;
    let mut reading = f64::INFINITY;
    let mut copying = f64::INFINITY;
    for _ in 0..7 {
        let start = Instant::now();
        let sum: f32 = from
            .par_chunks(part)
            .map(|part| {
                let mut sums = [0.0_f32; 64];
                for chunk in part.chunks_exact(64) {
                    sums.iter_mut().zip(chunk).for_each(|(s, v)| *s += v);
                }
                sums.iter().sum::<f32>()
            })
            .sum();
        black_box(sum);
        reading = reading.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        to.par_chunks_mut(part)
            .zip(from.par_chunks(part))
            .for_each(|(to, from)| to.copy_from_slice(from));
        black_box(&mut to);
        copying = copying.min(start.elapsed().as_secs_f64());
    }
    println!("memory, reading: {:.1} GB/s", bytes / reading / 1e9);
    println!(
        "memory, copying: {:.1} GB/s read and as many written",
        bytes / copying / 1e9
    );
}

/// Instructions whose operands stay in registers.
#[cfg(target_arch = "x86_64")]
mod registers {
    use std::arch::is_x86_feature_detected as has;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use std::time::Instant;

    /// The shortest of several runs of `body` on every thread at once, in seconds.
    fn best(body: impl Fn() + Sync) -> f64 {
        let run = || {
            let start = Instant::now();
            rayon::broadcast(|_| body());
            start.elapsed().as_secs_f64()
        };
        run();
        (0..7).map(|_| run()).fold(f64::INFINITY, f64::min)
    }

    /// Independent sums: enough to hide the latency of any of the instructions.
    const SUMS: usize = 24;
    /// The same for AVX2, which has half the registers.
    const SUMS_AVX2: usize = 12;
    const TURNS: usize = 2_000_000;

    pub fn measure() {
        let threads = rayon::current_num_threads() as f64;
        let print_sums = |name: &str, operations: usize, sums: usize, seconds: f64| {
            let total = (operations * sums * TURNS) as f64 * threads;
            println!("{name}: {:.0} G operations/s", total / seconds / 1e9);
        };
        let print = |name: &str, operations: usize, seconds: f64| {
            print_sums(name, operations, SUMS, seconds);
        };
        if has!("avx2") && has!("fma") {
            // SAFETY: the processor has the instructions.
            let fma = best(|| unsafe { f32_fma_avx2() });
            print_sums("AVX2 f32 FMA", 16, SUMS_AVX2, fma);
            // SAFETY: as above.
            let int8 = best(|| unsafe { int8_avx2() });
            print_sums("AVX2 int8 VPMADDWD and VPADDD", 32, SUMS_AVX2, int8);
        }
        if has!("avx512f") {
            // SAFETY: the processor has the instructions.
            print("AVX-512 f32 FMA", 32, best(|| unsafe { f32_fma() }));
        }
        if has!("avx512bf16") {
            // SAFETY: the processor has the instructions.
            print("AVX-512 bf16 VDPBF16PS", 64, best(|| unsafe { bf16() }));
        }
        if has!("avx512vnni") {
            // SAFETY: the processor has the instructions.
            print("AVX-512 int8 VPDPBUSD", 128, best(|| unsafe { int8() }));
        }
    }

    #[target_feature(enable = "avx2,fma")]
    fn f32_fma_avx2() {
        let (a, b) = (
            black_box(_mm256_set1_ps(0.5)),
            black_box(_mm256_set1_ps(0.25)),
        );
        let mut sums = [_mm256_setzero_ps(); SUMS_AVX2];
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(a, b, *sum);
            }
        }
        black_box(sums);
    }

    /// The products of int8 widened to int16, as the tile for AVX2 makes them.
    #[target_feature(enable = "avx2")]
    fn int8_avx2() {
        let mut factors = [_mm256_set1_epi16(1); 2];
        let mut sums = [_mm256_setzero_si256(); SUMS_AVX2];
        for _ in 0..TURNS {
            // Otherwise the product, the same in every turn, would be taken out of the loop.
            factors = black_box(factors);
            for sum in &mut sums {
                let products = _mm256_madd_epi16(factors[0], factors[1]);
                *sum = _mm256_add_epi32(*sum, products);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f")]
    fn f32_fma() {
        let (a, b) = (
            black_box(_mm512_set1_ps(0.5)),
            black_box(_mm512_set1_ps(0.25)),
        );
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(a, b, *sum);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn bf16() {
        let ones = black_box(_mm512_set1_ps(0.5));
        let factor = _mm512_cvtne2ps_pbh(ones, ones);
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn int8() {
        let factor = black_box(_mm512_set1_epi8(1));
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, factor, factor);
            }
        }
        black_box(sums);
    }
}
