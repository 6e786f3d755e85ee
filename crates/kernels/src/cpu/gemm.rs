//! Matrix products C = A · B or C += A · B over strided f32 matrices.
//!
//! On CPUs with AVX-512 or AVX2, both factors are packed into panels (and rounded on the way for
//! bf16) and multiplied by a register-tiled kernel (as in BLIS, Van Zee and van de Geijn 2015). Each
//! element of C is then always the same chain of additions over k, regardless of the rows and
//! columns around it: the result of a row does not depend on its batch, to the last bit. Other CPUs
//! use the `gemm` crate, whose order of additions may vary with the size.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod fallback;
mod finish;
mod int8;
#[cfg(target_arch = "x86_64")]
mod kernel;
mod matrix;
mod packed;
#[cfg(target_arch = "x86_64")]
mod parts;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
use std::ops::Range;

pub use self::finish::Finish;
pub use self::int8::{Int8Left, Int8Matrix};
pub use self::matrix::{Matrix, MatrixMut};
pub use self::packed::{Left, PANEL, PackedMatrix};
#[cfg(target_arch = "x86_64")]
use self::{kernel::Kernel, kernel::Side, parts::multiply_parts, parts::oversized};
#[cfg(target_arch = "x86_64")]
use super::buffer::Buffer;
#[cfg(target_arch = "x86_64")]
use super::parallel::{TASK, for_each, for_each_item, is_worth_threads};
use crate::Factors;

/// Treatment of the previous content of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// C = A · B; the memory may contain anything, finite or not.
    Overwrite,
    /// C += A · B.
    Add,
}

/// Whether a product may use other threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The caller is already one of many tasks.
    One,
    /// All of rayon's current pool, or the team that the caller leads.
    All,
}

/// Name of the instructions that multiply in this precision on this CPU.
pub fn instructions(precision: Factors) -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = Kernel::for_precision(precision) {
        return kernel.instructions();
    }
    match precision {
        Factors::F32 => "the gemm crate",
        Factors::Bf16 => "the gemm crate, on rounded factors",
    }
}

/// Multiplies `a` [m, k] by `b` [k, n] into `c` [m, n].
///
/// # Panics
/// If the shapes do not agree.
pub fn gemm(
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: MatrixMut<'_>,
    update: Update,
    precision: Factors,
    threads: Threads,
) {
    check(a, b, &c);
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = Kernel::for_precision(precision) {
        if let Some((axis, length)) = oversized(kernel, a, b) {
            return multiply_parts(a, b, c, update, precision, threads, axis, length);
        }
        let right = packed(kernel, Side::Right, b.transposed(), threads);
        let left = packed(kernel, Side::Left, a, threads);
        let finish = Finish::of(update);
        multiply_panels(kernel, &left, &right, a.columns, c, finish, threads);
        return;
    }
    fallback::gemm(a, b, c, update, precision, threads);
}

/// Products `a` · `b` → `c` of one left factor with several right factors, on all threads. The left
/// factor is packed once, and each product has its own finish.
///
/// # Panics
/// As [`gemm`].
pub fn gemm_sharing_left(
    a: Matrix<'_>,
    products: Vec<(Matrix<'_>, MatrixMut<'_>, Finish<'_>)>,
    precision: Factors,
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = Kernel::for_precision(precision)
        && products
            .iter()
            .all(|(b, _, _)| oversized(kernel, a, *b).is_none())
    {
        let left = packed(kernel, Side::Left, a, Threads::All);
        for (b, c, finish) in products {
            check(a, b, &c);
            let right = packed(kernel, Side::Right, b.transposed(), Threads::All);
            multiply_panels(kernel, &left, &right, a.columns, c, finish, Threads::All);
        }
        return;
    }
    for (b, mut c, finish) in products {
        let all = c.rows_mut(0..a.rows);
        gemm(a, b, all, finish.update, precision, Threads::All);
        finish.apply(c, 0);
    }
}

/// Products `a` · `b` → `c` of several left factors with one right factor, on all threads. The
/// right factor is packed once.
///
/// # Panics
/// As [`gemm`].
pub fn gemm_sharing_right(
    products: Vec<(Matrix<'_>, MatrixMut<'_>)>,
    b: Matrix<'_>,
    update: Update,
    precision: Factors,
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = Kernel::for_precision(precision)
        && products
            .iter()
            .all(|(a, _)| oversized(kernel, *a, b).is_none())
    {
        let right = packed(kernel, Side::Right, b.transposed(), Threads::All);
        for (a, c) in products {
            check(a, b, &c);
            let left = packed(kernel, Side::Left, a, Threads::All);
            multiply_panels(
                kernel,
                &left,
                &right,
                a.columns,
                c,
                Finish::of(update),
                Threads::All,
            );
        }
        return;
    }
    for (a, c) in products {
        gemm(a, b, c, update, precision, Threads::All);
    }
}

fn check(a: Matrix<'_>, b: Matrix<'_>, c: &MatrixMut<'_>) {
    assert_eq!(a.columns, b.rows, "inner sizes of a product");
    assert_eq!(
        (c.rows, c.columns),
        (a.rows, b.columns),
        "size of a product"
    );
}

/// The rows of `source`, packed into scratch; see [`pack`].
#[cfg(target_arch = "x86_64")]
fn packed(kernel: Kernel, side: Side, source: Matrix<'_>, threads: Threads) -> Buffer<u32> {
    let mut words = Buffer::take(kernel.packed_words(side, source.rows, source.columns));
    pack(kernel, side, source, &mut words, threads);
    words
}

/// Packs the rows of `source` (a left factor, or a right factor transposed) into panels of
/// `kernel.width(side)` rows.
#[cfg(target_arch = "x86_64")]
fn pack(kernel: Kernel, side: Side, source: Matrix<'_>, words: &mut [u32], threads: Threads) {
    let width = kernel.width(side);
    let panel_words = kernel.step_words(side) * kernel.steps(source.columns);
    if panel_words == 0 {
        return;
    }
    let pack_panel = |(panel, words): (usize, &mut [u32])| {
        kernel.pack_panel(side, source, panel * width, words);
    };
    match threads {
        Threads::One => words
            .chunks_mut(panel_words)
            .enumerate()
            .for_each(pack_panel),
        Threads::All => {
            // Smaller tasks are not worth handing to another thread.
            let panels = TASK.div_ceil(panel_words);
            let parts = words.chunks_mut(panels * panel_words).enumerate();
            for_each_item(parts, |(part, words)| {
                let panels = (part * panels..).zip(words.chunks_mut(panel_words));
                panels.for_each(pack_panel);
            });
        }
    }
}

/// Number of steps along k in one pass: a right panel of 32 columns then fills 48 KiB, the level-1
/// cache.
#[cfg(target_arch = "x86_64")]
const PASS_STEPS: usize = 384;

/// Number of rows of the left factor that stay in the level-2 cache while right panels stream past.
#[cfg(target_arch = "x86_64")]
const BLOCK_ROWS: usize = 16 * 14;

/// The memory of the result, shared by tasks that write disjoint tiles.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Output {
    data: *mut f32,
    row_stride: usize,
}

// SAFETY: tasks write through it only inside their own tiles; see `multiply_panels`.
#[cfg(target_arch = "x86_64")]
unsafe impl Send for Output {}
// SAFETY: as above.
#[cfg(target_arch = "x86_64")]
unsafe impl Sync for Output {}

/// The product of two packed factors whose inner size is `depth`.
#[cfg(target_arch = "x86_64")]
fn multiply_panels(
    kernel: Kernel,
    left: &[u32],
    b: &[u32],
    depth: usize,
    c: MatrixMut<'_>,
    finish: Finish<'_>,
    threads: Threads,
) {
    let (rows, columns) = (c.rows, c.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    let steps = kernel.steps(depth);
    let (tall, wide) = (kernel.width(Side::Left), kernel.width(Side::Right));
    let (left_step, right_step) = (
        kernel.step_words(Side::Left),
        kernel.step_words(Side::Right),
    );
    let (left_panels, right_panels) = (rows.div_ceil(tall), columns.div_ceil(wide));
    let output = Output {
        data: c.start,
        row_stride: c.row_stride,
    };
    // One tile of the task grid: a range of left panels against a range of right panels.
    let run = |left_range: Range<usize>, right_range: Range<usize>| {
        // Bind the whole struct: a closure would otherwise capture the bare pointer.
        let Output { data, row_stride } = { output };
        let passes = steps.div_ceil(PASS_STEPS).max(1);
        let pass_steps = steps.div_ceil(passes).max(1);
        // SAFETY: the rectangle lies inside `c`; tasks get disjoint ones.
        let mut part = unsafe {
            let (top, start) = (left_range.start * tall, right_range.start * wide);
            let height = rows.min(left_range.end * tall) - top;
            let width = columns.min(right_range.end * wide) - start;
            let first = data.add(top * row_stride + start);
            MatrixMut::from_raw(first, height, width, row_stride)
        };
        if steps == 0 && finish.update == Update::Overwrite {
            (0..part.rows).for_each(|row| part.row_mut(row).fill(0.0));
        }
        for first_step in (0..steps).step_by(pass_steps) {
            let count = pass_steps.min(steps - first_step);
            let add = finish.update == Update::Add || first_step > 0;
            for right in right_range.clone() {
                let right_words =
                    &b[(right * steps + first_step) * right_step..][..count * right_step];
                let column = right * wide;
                for left_index in left_range.clone() {
                    let left_words =
                        &left[(left_index * steps + first_step) * left_step..][..count * left_step];
                    let row = left_index * tall;
                    // SAFETY: the panels hold `count` steps (slices above); the tile at (row,
                    // column), cut to rows and columns, lies inside `c`; tasks get disjoint panel ranges, so no other task
                    // touches these elements while `c` is borrowed mutably by this call.
                    unsafe {
                        kernel.tile(
                            left_words,
                            right_words,
                            data.add(row * row_stride + column),
                            row_stride,
                            tall.min(rows - row),
                            wide.min(columns - column),
                            add,
                        );
                    }
                }
            }
        }
        finish.apply(part, right_range.start * wide);
    };

    let work = rows * columns * depth;
    for_each_part(left_panels, tall, right_panels, work, threads, run);
}

/// Calls `run` with ranges of left panels (of `tall` rows) and right panels that together cover
/// all.
#[cfg(target_arch = "x86_64")]
fn for_each_part(
    left_panels: usize,
    tall: usize,
    right_panels: usize,
    work: usize,
    threads: Threads,
    run: impl Fn(Range<usize>, Range<usize>) + Sync,
) {
    let block = BLOCK_ROWS / tall;
    let row_blocks = left_panels.div_ceil(block);
    if threads == Threads::One || !is_worth_threads(work) {
        for first in (0..left_panels).step_by(block) {
            run(first..left_panels.min(first + block), 0..right_panels);
        }
        return;
    }
    // Enough tasks for threads to finish together, each at least a few panels wide.
    let wanted = 8 * rayon::current_num_threads();
    let columns_each = right_panels
        .div_ceil(wanted.div_ceil(row_blocks))
        .max(if left_panels * tall > 64 { 4 } else { 1 });
    let column_blocks = right_panels.div_ceil(columns_each);
    for_each(row_blocks * column_blocks, |task| {
        let (row_block, column_block) = (task / column_blocks, task % column_blocks);
        let (first, start) = (row_block * block, column_block * columns_each);
        run(
            first..left_panels.min(first + block),
            start..right_panels.min(start + columns_each),
        );
    });
}
