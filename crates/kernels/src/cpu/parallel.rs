//! Loops over long slices on all threads, and loop bodies compiled for the widest SIMD present.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use super::team;

/// Elements of work that make a task worth handing to another thread.
pub const TASK: usize = 1 << 14;

/// Sets every element.
pub fn fill(values: &mut [f32], value: f32) {
    for_each_chunk(values, 1 << 18, |_, part| part.fill(value));
}

/// Whether so many multiplications are worth another thread: one that is asleep, or one of a
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

/// Runs all tasks, which are so many multiplications together: on all threads if that is worth
/// it, each thread at least `least` of them.
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

/// Calls `run` with each part of `size` elements (the last may be shorter) and its place, on all
/// threads.
pub fn for_each_chunk<T: Send>(
    values: &mut [T],
    size: usize,
    run: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    let parts = Parts::new(values, size);
    // SAFETY: each index is one task.
    for_each(parts.count(), |index| {
        run(index, unsafe { parts.part(index) })
    });
}

/// [`for_each_chunk`] of two slices of as many parts.
pub fn for_each_chunk_pair<A: Send, B: Send>(
    first: &mut [A],
    first_size: usize,
    second: &mut [B],
    second_size: usize,
    run: impl Fn(usize, &mut [A], &mut [B]) + Send + Sync,
) {
    let (first, second) = (
        Parts::new(first, first_size),
        Parts::new(second, second_size),
    );
    assert_eq!(first.count(), second.count(), "parts of both");
    for_each(first.count(), |index| {
        // SAFETY: each index is one task.
        let (first, second) = unsafe { (first.part(index), second.part(index)) };
        run(index, first, second);
    });
}

/// A slice of which each task has a part of its own.
struct Parts<'a, T> {
    start: *mut T,
    length: usize,
    size: usize,
    memory: PhantomData<&'a mut [T]>,
}

// SAFETY: parts are disjoint, and `Parts::part` hands each to one task.
unsafe impl<T: Send> Send for Parts<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    fn new(values: &'a mut [T], size: usize) -> Self {
        Self {
            start: values.as_mut_ptr(),
            length: values.len(),
            size: size.max(1),
            memory: PhantomData,
        }
    }

    fn count(&self) -> usize {
        self.length.div_ceil(self.size)
    }

    /// # Safety
    /// No part is in use twice at a time.
    #[expect(clippy::mut_from_ref, reason = "parts are disjoint")]
    unsafe fn part(&self, index: usize) -> &mut [T] {
        let first = index * self.size;
        assert!(first < self.length);
        let length = self.size.min(self.length - first);
        // SAFETY: the part lies inside the slice, which is borrowed for 'a; nobody else has it
        // (caller).
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first), length) }
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
