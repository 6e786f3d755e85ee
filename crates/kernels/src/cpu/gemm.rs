//! Matrix products C = A · B or C += A · B over strided f32 matrices.
//!
//! On processors with AVX-512 both factors are packed into panels (for bf16: rounded on the way)
//! and multiplied by a register-tiled kernel, in f32 or with the bf16 dot product instruction.
//! Elsewhere the `gemm` crate multiplies. One element of C is always the same chain of additions
//! over k, however many rows or columns surround it: a row's result does not depend on its batch.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod fallback;

#[cfg(target_arch = "x86_64")]
use avx512::Kernel;
use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use super::buffer::Buffer;
use crate::Precision;

/// A matrix factor: element (row, column) is `data[row · row_stride + column · column_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` × `columns` whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// If `data` is too short.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        if rows > 0 && columns > 0 {
            let needed = (rows - 1) * row_stride + columns;
            assert!(data.len() >= needed, "matrix of {needed} in {}", data.len());
        }
        Self {
            data,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// Rows that follow each other directly.
    pub fn dense(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::new(data, rows, columns, columns)
    }

    /// Row `index` of a matrix that is not transposed.
    ///
    /// # Panics
    /// If there is no such row, or its elements are not contiguous.
    pub fn row(&self, index: usize) -> &'a [f32] {
        assert!(index < self.rows && self.column_stride == 1);
        &self.data[index * self.row_stride..][..self.columns]
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows `range`, as a matrix of their own.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn slice_rows(&self, range: Range<usize>) -> Self {
        self.part(range, 0..self.columns)
    }

    /// The rectangle of these rows and columns.
    ///
    /// # Panics
    /// If it is not inside the matrix.
    pub fn part(&self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        assert!(columns.start <= columns.end && columns.end <= self.columns);
        let start = rows.start * self.row_stride + columns.start * self.column_stride;
        Self {
            data: &self.data[start.min(self.data.len())..],
            rows: rows.len(),
            columns: columns.len(),
            ..*self
        }
    }

    /// The same memory read with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// The result of a product: `rows` × `columns`, columns contiguous.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    start: *mut f32,
    rows: usize,
    columns: usize,
    row_stride: usize,
    memory: PhantomData<&'a mut [f32]>,
}

impl<'a> MatrixMut<'a> {
    /// `rows` × `columns` whose rows follow each other directly.
    ///
    /// # Panics
    /// If `data` is too short.
    pub fn dense(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert!(
            data.len() >= rows * columns,
            "matrix larger than its memory"
        );
        // SAFETY: the elements lie in `data` (checked), which is borrowed for 'a.
        unsafe { Self::from_raw(data.as_mut_ptr(), rows, columns, columns) }
    }

    /// `rows` × `columns` from `start` whose rows start `row_stride` elements apart; the memory
    /// between them may belong to others.
    ///
    /// # Safety
    /// For 'a, the matrix's elements must be valid and used through the result only.
    pub unsafe fn from_raw(
        start: *mut f32,
        rows: usize,
        columns: usize,
        row_stride: usize,
    ) -> Self {
        assert!(row_stride >= columns, "rows of the result overlap");
        Self {
            start,
            rows,
            columns,
            row_stride,
            memory: PhantomData,
        }
    }

    /// Row `index`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_mut(&mut self, index: usize) -> &mut [f32] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        // SAFETY: the row's elements are valid and only ours (constructors), and borrowed with
        // `self`.
        unsafe {
            let start = self.start.add(index * self.row_stride);
            std::slice::from_raw_parts_mut(start, self.columns)
        }
    }

    /// All elements of a matrix without gaps between its rows.
    ///
    /// # Panics
    /// If there are gaps.
    pub fn into_slice(self) -> &'a mut [f32] {
        assert_eq!(self.row_stride, self.columns, "rows with gaps");
        // SAFETY: without gaps the elements are one slice, valid and only ours for 'a.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.rows * self.columns) }
    }

    /// Rows `range`, as a matrix of their own.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn rows_mut(&mut self, range: Range<usize>) -> MatrixMut<'_> {
        assert!(range.start <= range.end && range.end <= self.rows);
        MatrixMut {
            // Offsets stay inside the matrix, or one stride past its last row if empty.
            start: self.start.wrapping_add(range.start * self.row_stride),
            rows: range.len(),
            columns: self.columns,
            row_stride: self.row_stride,
            memory: PhantomData,
        }
    }
}

impl MatrixMut<'_> {
    /// Columns `range`, as a matrix of their own.
    ///
    /// # Panics
    /// If there are no such columns.
    pub fn columns_mut(&mut self, range: Range<usize>) -> MatrixMut<'_> {
        assert!(range.start <= range.end && range.end <= self.columns);
        MatrixMut {
            start: self.start.wrapping_add(range.start),
            rows: self.rows,
            columns: range.len(),
            row_stride: self.row_stride,
            memory: PhantomData,
        }
    }
}

/// What happens to the former content of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// C = A · B; the memory may hold anything finite or not.
    Overwrite,
    /// C += A · B.
    Add,
}

/// Whether a product may use other threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The caller is one of many tasks already.
    One,
    /// All of rayon's current pool.
    All,
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
    precision: Precision,
    threads: Threads,
) {
    assert_eq!(a.columns, b.rows, "inner sizes of a product");
    assert_eq!(
        (c.rows, c.columns),
        (a.rows, b.columns),
        "size of a product"
    );
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = Kernel::for_precision(precision) {
        if let Some((axis, length)) = oversized(kernel, a, b) {
            return multiply_parts(a, b, c, update, precision, threads, axis, length);
        }
        let mut words = Buffer::take(kernel.packed_words(Side::Right, b.columns, b.rows));
        pack(kernel, Side::Right, b.transposed(), &mut words, threads);
        multiply_packed(kernel, a, &words, c, update, threads);
        return;
    }
    fallback::gemm(a, b, c, update, precision, threads);
}

/// Words a packed factor may take: what scratch memory, and about what the level-3 cache, holds.
#[cfg(target_arch = "x86_64")]
const LARGEST_PACKED: usize = 1 << 21;

/// An axis of a product.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
enum Axis {
    Rows,
    Columns,
    Depth,
}

/// Along which axis to cut a product whose packed factors would be too large, and how often.
#[cfg(target_arch = "x86_64")]
fn oversized(kernel: Kernel, a: Matrix<'_>, b: Matrix<'_>) -> Option<(Axis, usize)> {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    let words = kernel
        .packed_words(Side::Left, m, k)
        .max(kernel.packed_words(Side::Right, n, k));
    let parts = words.div_ceil(LARGEST_PACKED);
    if parts <= 1 {
        return None;
    }
    // Whole panels, and whole passes along k: the sums stay what they are in one piece.
    let part = |length: usize, unit: usize| length.div_ceil(parts).next_multiple_of(unit);
    Some(if k >= m.max(n) {
        (Axis::Depth, part(k, 2 * PASS_STEPS))
    } else if m >= n {
        (Axis::Rows, part(m, kernel.width(Side::Left)))
    } else {
        (Axis::Columns, part(n, kernel.width(Side::Right)))
    })
}

/// The product as several of `length` rows, columns or steps along k each.
#[cfg(target_arch = "x86_64")]
#[expect(
    clippy::too_many_arguments,
    reason = "those of `gemm` and where to cut"
)]
fn multiply_parts(
    a: Matrix<'_>,
    b: Matrix<'_>,
    mut c: MatrixMut<'_>,
    update: Update,
    precision: Precision,
    threads: Threads,
    axis: Axis,
    length: usize,
) {
    let total = match axis {
        Axis::Rows => a.rows,
        Axis::Columns => b.columns,
        Axis::Depth => a.columns,
    };
    for start in (0..total).step_by(length) {
        let range = start..total.min(start + length);
        let later = matches!(axis, Axis::Depth) && start > 0;
        let update = if later { Update::Add } else { update };
        let (a, b, c) = match axis {
            Axis::Rows => (a.part(range.clone(), 0..a.columns), b, c.rows_mut(range)),
            Axis::Columns => (a, b.part(0..b.rows, range.clone()), c.columns_mut(range)),
            Axis::Depth => {
                let (a, b) = (
                    a.part(0..a.rows, range.clone()),
                    b.part(range, 0..b.columns),
                );
                (a, b, c.columns_mut(0..b.columns))
            }
        };
        gemm(a, b, c, update, precision, threads);
    }
}

/// A right factor [k, n] packed for many products.
#[derive(Debug)]
pub struct PackedMatrix {
    rows: usize,
    columns: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    #[cfg(target_arch = "x86_64")]
    Panels { kernel: Kernel, words: Vec<u32> },
    /// Column-major, so that a column's products run over contiguous memory.
    Plain {
        values: Vec<f32>,
        precision: Precision,
    },
}

impl PackedMatrix {
    /// Packs `b` [k, n] for products in `precision`.
    pub fn new(b: Matrix<'_>, precision: Precision) -> Self {
        let (rows, columns) = (b.rows, b.columns);
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = Kernel::for_precision(precision) {
            let mut words = vec![0; kernel.packed_words(Side::Right, columns, rows)];
            pack(
                kernel,
                Side::Right,
                b.transposed(),
                &mut words,
                Threads::All,
            );
            let form = Form::Panels { kernel, words };
            return Self {
                rows,
                columns,
                form,
            };
        }
        Self::plain(b, precision)
    }

    fn plain(b: Matrix<'_>, precision: Precision) -> Self {
        let (rows, columns) = (b.rows, b.columns);
        let values = (0..columns)
            .flat_map(|column| {
                (0..rows).map(move |row| {
                    let value = b.data[row * b.row_stride + column * b.column_stride];
                    fallback::rounded(value, precision)
                })
            })
            .collect();
        let form = Form::Plain { values, precision };
        Self {
            rows,
            columns,
            form,
        }
    }

    /// Size of the output: n.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Multiplies `a` [m, k] by this matrix into `c` [m, n].
    ///
    /// # Panics
    /// If the shapes do not agree.
    pub fn multiply(&self, a: Matrix<'_>, c: MatrixMut<'_>, update: Update, threads: Threads) {
        assert_eq!(a.columns, self.rows, "inner sizes of a product");
        assert_eq!(
            (c.rows, c.columns),
            (a.rows, self.columns),
            "size of a product"
        );
        match &self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Panels { kernel, words } => {
                multiply_packed(*kernel, a, words, c, update, threads);
            }
            Form::Plain { values, precision } => {
                let b = Matrix::dense(values, self.columns, self.rows).transposed();
                fallback::gemm(a, b, c, update, *precision, threads);
            }
        }
    }
}

/// Which factor a panel belongs to; they differ in width.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Packs the rows of `source` (a left factor, or a right factor transposed) into panels of
/// `kernel.width(side)` rows: for each step along k, one word of each row.
#[cfg(target_arch = "x86_64")]
fn pack(kernel: Kernel, side: Side, source: Matrix<'_>, words: &mut [u32], threads: Threads) {
    let width = kernel.width(side);
    let panel_words = width * kernel.steps(source.columns);
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
            // A task packs at least 16 Ki words: less is not worth handing to another thread.
            let least = (1_usize << 14).div_ceil(panel_words);
            words
                .par_chunks_mut(panel_words)
                .enumerate()
                .with_min_len(least)
                .for_each(pack_panel);
        }
    }
}

/// Steps along k in one pass: a right panel of 32 columns then fills 48 KiB, a level-1 cache.
#[cfg(target_arch = "x86_64")]
const PASS_STEPS: usize = 384;

/// Rows of the left factor that stay in the level-2 cache while right panels pass by.
#[cfg(target_arch = "x86_64")]
const BLOCK_ROWS: usize = 16 * 14;

/// The result's memory, shared by tasks that write disjoint tiles.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Output {
    data: *mut f32,
    row_stride: usize,
}

// SAFETY: tasks write through it only inside their own tiles; see `multiply_packed`.
#[cfg(target_arch = "x86_64")]
unsafe impl Send for Output {}
// SAFETY: as above.
#[cfg(target_arch = "x86_64")]
unsafe impl Sync for Output {}

#[cfg(target_arch = "x86_64")]
fn multiply_packed(
    kernel: Kernel,
    a: Matrix<'_>,
    b: &[u32],
    mut c: MatrixMut<'_>,
    update: Update,
    threads: Threads,
) {
    let (rows, columns, depth) = (a.rows, c.columns, a.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    if depth == 0 {
        if update == Update::Overwrite {
            for row in 0..rows {
                c.row_mut(row).fill(0.0);
            }
        }
        return;
    }
    let mut left = Buffer::take(kernel.packed_words(Side::Left, rows, depth));
    pack(kernel, Side::Left, a, &mut left, threads);
    let left: &[u32] = &left;

    let steps = kernel.steps(depth);
    let (tall, wide) = (kernel.width(Side::Left), kernel.width(Side::Right));
    let (left_panels, right_panels) = (rows.div_ceil(tall), columns.div_ceil(wide));
    let output = Output {
        data: c.start,
        row_stride: c.row_stride,
    };
    // One tile of the task grid: a range of left panels against a range of right panels.
    let run = |left_range: Range<usize>, right_range: Range<usize>| {
        // Bind the whole struct: a closure would otherwise capture the bare pointer.
        let Output { data, row_stride } = { output };
        let passes = steps.div_ceil(PASS_STEPS);
        let pass_steps = steps.div_ceil(passes);
        for first_step in (0..steps).step_by(pass_steps) {
            let count = pass_steps.min(steps - first_step);
            let add = update == Update::Add || first_step > 0;
            for right in right_range.clone() {
                let right_words = &b[(right * steps + first_step) * wide..][..count * wide];
                let column = right * wide;
                for left_index in left_range.clone() {
                    let left_words =
                        &left[(left_index * steps + first_step) * tall..][..count * tall];
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
    };

    let block = BLOCK_ROWS / tall;
    let row_blocks = left_panels.div_ceil(block);
    let work = rows * columns * depth;
    if threads == Threads::One || work < (1 << 17) {
        for first in (0..left_panels).step_by(block) {
            run(first..left_panels.min(first + block), 0..right_panels);
        }
        return;
    }
    // Enough tasks that threads finish together, each at least a few panels wide.
    let wanted = 8 * rayon::current_num_threads();
    let columns_each = right_panels
        .div_ceil(wanted.div_ceil(row_blocks))
        .max(if rows > 64 { 4 } else { 1 });
    let column_blocks = right_panels.div_ceil(columns_each);
    (0..row_blocks * column_blocks)
        .into_par_iter()
        .for_each(|task| {
            let (row_block, column_block) = (task / column_blocks, task % column_blocks);
            let (first, start) = (row_block * block, column_block * columns_each);
            run(
                first..left_panels.min(first + block),
                start..right_panels.min(start + columns_each),
            );
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|i| (((i + seed) * 7919 % 1013) as f32 / 506.5) - 1.0)
            .collect()
    }

    /// A dense [rows, columns] factor, stored transposed or not.
    fn factor(data: &[f32], rows: usize, columns: usize, transposed: bool) -> Matrix<'_> {
        if transposed {
            Matrix::dense(data, columns, rows).transposed()
        } else {
            Matrix::dense(data, rows, columns)
        }
    }

    /// Largest deviation of `c` from `before` + A · B summed in f64, of rounded factors.
    fn error(a: Matrix<'_>, b: Matrix<'_>, before: &[f32], c: &[f32], precision: Precision) -> f64 {
        let at = |m: Matrix<'_>, row: usize, column: usize| {
            let value = m.data[row * m.row_stride + column * m.column_stride];
            f64::from(fallback::rounded(value, precision))
        };
        let mut worst = 0.0_f64;
        for row in 0..a.rows {
            for column in 0..b.columns {
                let products = (0..a.columns).map(|k| at(a, row, k) * at(b, k, column));
                let index = row * b.columns + column;
                let exact = f64::from(before[index]) + products.sum::<f64>();
                worst = worst.max((exact - f64::from(c[index])).abs());
            }
        }
        worst
    }

    #[test]
    fn products_are_right_on_odd_sizes() {
        for precision in [Precision::F32, Precision::Bf16] {
            for m in [1, 2, 13, 14, 15, 17, 31, 67] {
                for n in [1, 15, 16, 17, 31, 33, 67] {
                    for k in [0, 1, 2, 15, 17, 33, 67] {
                        let (left, right) = (values(m * k, 1), values(k * n, 2));
                        for layout in 0..4 {
                            let a = factor(&left, m, k, layout & 1 == 1);
                            let b = factor(&right, k, n, layout & 2 == 2);
                            let before = values(m * n, 3);
                            let bound = 1e-6 * (k as f64 + 1.0);

                            let mut c = before.clone();
                            let to = MatrixMut::dense(&mut c, m, n);
                            gemm(a, b, to, Update::Add, precision, Threads::All);
                            assert!(error(a, b, &before, &c, precision) < bound, "{m} {n} {k}");

                            let mut c = before.clone();
                            let to = MatrixMut::dense(&mut c, m, n);
                            fallback::gemm(a, b, to, Update::Add, precision, Threads::One);
                            assert!(error(a, b, &before, &c, precision) < bound, "{m} {n} {k}");

                            for packed in [
                                PackedMatrix::new(b, precision),
                                PackedMatrix::plain(b, precision),
                            ] {
                                let mut c = vec![f32::NAN; m * n];
                                let to = MatrixMut::dense(&mut c, m, n);
                                packed.multiply(a, to, Update::Overwrite, Threads::One);
                                let nothing = vec![0.0; m * n];
                                let error = error(a, b, &nothing, &c, precision);
                                assert!(error < bound, "packed {m} {n} {k}");
                            }
                        }
                    }
                }
            }
        }
    }

    /// Factors larger than scratch holds, along each axis, with several passes along k.
    #[test]
    fn products_in_parts_are_right() {
        for (m, n, k) in [(3, 5003, 701), (5003, 3, 701), (3, 2, 1_100_003)] {
            let (left, right) = (values(m * k, 1), values(k * n, 2));
            for precision in [Precision::F32, Precision::Bf16] {
                for transposed in [false, true] {
                    let a = factor(&left, m, k, transposed);
                    let b = factor(&right, k, n, !transposed);
                    let mut c = vec![f32::NAN; m * n];
                    let to = MatrixMut::dense(&mut c, m, n);
                    gemm(a, b, to, Update::Overwrite, precision, Threads::All);
                    let error = error(a, b, &vec![0.0; m * n], &c, precision);
                    assert!(
                        error < 1e-5 * (k as f64).sqrt() * 8.0,
                        "{m} {n} {k}: {error}"
                    );
                }
            }
        }
    }

    /// The memory between the rows of a result belongs to others.
    #[test]
    fn gaps_between_rows_are_left_alone() {
        let (left, right) = (values(20 * 9, 1), values(9 * 5, 2));
        let mut memory = vec![7.0; 20 * 8];
        // SAFETY: 20 rows of 5 elements, 8 apart, lie in 160 elements.
        let c = unsafe { MatrixMut::from_raw(memory.as_mut_ptr(), 20, 5, 8) };
        let (a, b) = (Matrix::dense(&left, 20, 9), Matrix::dense(&right, 9, 5));
        gemm(a, b, c, Update::Overwrite, Precision::F32, Threads::All);
        for row in memory.chunks(8) {
            assert_eq!(row[5..], [7.0; 3]);
        }
    }
}
