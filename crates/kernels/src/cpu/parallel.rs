//! Loops over long slices on all threads, and loop bodies compiled for the widest SIMD present.

use std::ops::Range;

use rayon::prelude::*;

/// Elements of work that make a task worth handing to another thread.
pub const TASK: usize = 1 << 14;

/// Sets every element.
pub fn fill(values: &mut [f32], value: f32) {
    values
        .par_chunks_mut(1 << 18)
        .for_each(|part| part.fill(value));
}

/// Multiplications that make another thread worth waking.
const PARALLEL_WORK: usize = 1 << 18;

/// Runs all tasks, which are so many multiplications together: on all threads if that is worth
/// it, each thread at least `least` of them.
pub fn for_each_task(
    tasks: Range<usize>,
    work: usize,
    least: usize,
    run: impl Fn(usize) + Send + Sync,
) {
    if work < PARALLEL_WORK {
        tasks.for_each(run);
    } else {
        tasks
            .into_par_iter()
            .with_min_len(least.max(1))
            .for_each(run);
    }
}

/// Rows for each task, for rows of `width` elements.
pub fn rows_per_task(width: usize) -> usize {
    TASK.div_ceil(width.max(1)).max(1)
}

/// Defines a function whose loops are compiled three times, for AVX-512, for AVX2 and for the
/// build's target, and which picks at run time.
///
/// The compiler vectorises the body; there are no intrinsics in it.
macro_rules! for_each_simd {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $visibility fn $name($($argument: $kind),*) $(-> $result)? {
            #[allow(clippy::too_many_arguments)]
            #[inline(always)]
            fn body($($argument: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn avx512($($argument: $kind),*) $(-> $result)? {
                    body($($argument),*)
                }
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $kind),*) $(-> $result)? {
                    body($($argument),*)
                }
                use $crate::cpu::simd::Level;
                match Level::current() {
                    // SAFETY: the processor has these features.
                    Level::Avx512 | Level::Avx512Bf16 => return unsafe { avx512($($argument),*) },
                    // SAFETY: the processor has these features.
                    Level::Avx2 => return unsafe { avx2($($argument),*) },
                    Level::Portable => {}
                }
            }
            body($($argument),*)
        }
    };
}
pub(crate) use for_each_simd;
