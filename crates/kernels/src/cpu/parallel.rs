//! Loops over long slices on all threads, with bodies compiled for the widest SIMD available.

use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

use super::team;

/// Minimum number of elements that make a task worth handing to another thread.
pub const TASK: usize = 1 << 14;

/// Sets every element.
pub fn fill(values: &mut [f32], value: f32) {
    for_each_item(values.chunks_mut(1 << 18), |part| part.fill(value));
}

/// Whether this many multiplications are worth another thread, which may be asleep or belong to a
/// [team](team::together).
pub fn is_worth_threads(multiplications: usize) -> bool {
    multiplications >= if team::is_led() { 1 << 14 } else { 1 << 18 }
}

/// Runs tasks `0..tasks` on all threads.
pub fn for_each(tasks: usize, run: impl Fn(usize) + Send + Sync) {
    if tasks <= 1 {
        (0..tasks).for_each(run);
    } else if !team::for_each(tasks, &run) {
        (0..tasks).into_par_iter().for_each(run);
    }
}

/// Runs all tasks, which take this many multiplications in total: on all threads if that is worth
/// it, each thread with at least `least` tasks.
pub fn for_each_task(
    tasks: Range<usize>,
    work: usize,
    least: usize,
    run: impl Fn(usize) + Send + Sync,
) {
    if !is_worth_threads(work) {
        tasks.for_each(run);
        return;
    }
    let least = least.max(1);
    for_each(tasks.len().div_ceil(least), |part| {
        let first = tasks.start + part * least;
        (first..tasks.end.min(first + least)).for_each(&run);
    });
}

/// Runs `run` with each item on all threads: parts of slices, zipped as the work needs them.
pub fn for_each_item<T: Send>(items: impl IntoIterator<Item = T>, run: impl Fn(T) + Send + Sync) {
    let mut items = items.into_iter();
    let (Some(first), second) = (items.next(), items.next()) else {
        return;
    };
    let Some(second) = second else {
        return run(first);
    };
    let items: Vec<Mutex<Option<T>>> = [first, second]
        .into_iter()
        .chain(items)
        .map(|item| Mutex::new(Some(item)))
        .collect();
    for_each(items.len(), |index| {
        let item = items[index].lock().map_or(None, |mut item| item.take());
        run(item.expect("each item is taken once"));
    });
}

/// Number of rows per task, for rows of `width` elements.
pub fn rows_per_task(width: usize) -> usize {
    TASK.div_ceil(width.max(1)).max(1)
}

/// Defines a function whose loops are compiled three times, for AVX-512, AVX2 and the build's
/// target, and that selects one at run time.
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
