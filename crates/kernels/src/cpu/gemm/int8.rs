//! Right factors with one byte per weight.
//!
//! A weight matrix has one scale per output; a left factor has one per row, computed when it is
//! multiplied. Both are symmetric (largest magnitude ↦ 127, rounding to nearest even). Products are
//! sums of integers, so every form gives the same result to the last bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod panels;
#[cfg(target_arch = "x86_64")]
mod vnni;

use std::ops::Range;

use super::super::parallel::{for_each_item, for_each_simd, is_worth_threads};
use super::{Finish, Matrix, MatrixMut, Threads, Update};

/// The integer that the largest magnitude of a row maps to.
const LARGEST: f32 = 127.0;

/// Columns of the plain form that a task multiplies by all rows, while they are in the cache.
const BLOCK: usize = 32;

/// A right factor [k, n], each column of which is rounded to multiples of its scale.
#[derive(Debug)]
pub struct Int8Matrix {
    depth: usize,
    columns: usize,
    /// One for each column.
    scales: Vec<f32>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    #[cfg(target_arch = "x86_64")]
    Panels(panels::Panels),
    /// Column after column.
    Plain(Vec<i8>),
}

/// A left factor [m, k], rounded row by row.
#[derive(Debug)]
pub struct Int8Left {
    rows: usize,
    /// One for each row.
    scales: Vec<f32>,
    numbers: LeftNumbers,
}

#[derive(Debug)]
enum LeftNumbers {
    #[cfg(target_arch = "x86_64")]
    Panels(super::super::buffer::Buffer<u32>),
    /// Row after row.
    Plain(Vec<i8>),
}

impl Int8Matrix {
    /// Rounds the transpose of `weight` [n, k], whose rows are contiguous: the layout of
    /// checkpoints.
    pub fn new(weight: Matrix<'_>) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = panels::Kernel::detect() {
            let (panels, scales) = panels::Panels::pack(kernel, weight);
            return Self {
                depth: weight.columns,
                columns: weight.rows,
                scales,
                form: Form::Panels(panels),
            };
        }
        Self::plain(weight)
    }

    /// The form without panels, for CPUs without a kernel.
    pub(super) fn plain(weight: Matrix<'_>) -> Self {
        let (columns, depth) = (weight.rows, weight.columns);
        let mut numbers = vec![0; columns * depth];
        let mut scales = vec![0.0; columns];
        let all = numbers.chunks_mut(depth.max(1)).zip(&mut scales);
        for_each_item(all.enumerate(), |(column, (numbers, scale))| {
            *scale = quantise(weight.row(column), numbers);
        });
        Self {
            depth,
            columns,
            scales,
            form: Form::Plain(numbers),
        }
    }

    /// Column `index`, dequantised: k values.
    pub fn column(&self, index: usize, values: &mut [f32]) {
        let scale = self.scales[index];
        match &self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Panels(panels) => panels.column(index, scale, values),
            Form::Plain(numbers) => {
                let numbers = &numbers[index * self.depth..][..self.depth];
                for (value, number) in values.iter_mut().zip(numbers) {
                    *value = f32::from(*number) * scale;
                }
            }
        }
    }

    /// Rounds `a` [m, k], rows contiguous, for products with this matrix.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
    pub fn prepare(&self, a: Matrix<'_>, threads: Threads) -> Int8Left {
        assert_eq!(a.columns, self.depth, "inner sizes of a product");
        match &self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Panels(panels) => {
                let (words, scales) = panels.kernel().pack_left(a, threads);
                Int8Left {
                    rows: a.rows,
                    scales,
                    numbers: LeftNumbers::Panels(words),
                }
            }
            Form::Plain(_) => {
                let mut numbers = vec![0; a.rows * self.depth];
                let rows = numbers.chunks_exact_mut(self.depth.max(1)).enumerate();
                let mut scales = vec![0.0; a.rows];
                for (row, numbers) in rows {
                    scales[row] = quantise(a.row(row), numbers);
                }
                Int8Left {
                    rows: a.rows,
                    scales,
                    numbers: LeftNumbers::Plain(numbers),
                }
            }
        }
    }

    /// Multiplies `a` by columns `range` of this matrix into `c` [m, range].
    ///
    /// # Panics
    /// If the shapes do not agree, or `range` does not begin at a multiple of 32.
    pub fn multiply(
        &self,
        a: &Int8Left,
        range: Range<usize>,
        mut c: MatrixMut<'_>,
        finish: Finish<'_>,
        threads: Threads,
    ) {
        assert_eq!(
            (c.rows, c.columns),
            (a.rows, range.len()),
            "size of a product"
        );
        assert!(range.end <= self.columns && range.start.is_multiple_of(32));
        match (&self.form, &a.numbers) {
            #[cfg(target_arch = "x86_64")]
            (Form::Panels(panels), LeftNumbers::Panels(words)) => {
                let left = panels::Left {
                    words,
                    scales: &a.scales,
                };
                panels.multiply(left, &self.scales, range, c, finish, threads);
            }
            (Form::Plain(numbers), LeftNumbers::Plain(left)) => {
                let block = |(index, mut c): (usize, MatrixMut<'_>)| {
                    let first = range.start + index * BLOCK;
                    let scales = &self.scales[first..first + c.columns];
                    let columns = &numbers[first * self.depth..];
                    for row in 0..a.rows {
                        let left = &left[row * self.depth..][..self.depth];
                        let (scale, to) = (a.scales[row], c.row_mut(row));
                        products(left, columns, scale, scales, finish.update, to);
                    }
                    finish.apply(c, index * BLOCK);
                };
                let work = a.rows * range.len() * self.depth;
                let blocks = c.column_blocks(BLOCK).enumerate();
                if threads == Threads::One || !is_worth_threads(work) {
                    blocks.for_each(block);
                } else {
                    for_each_item(blocks, block);
                }
            }
            #[cfg(target_arch = "x86_64")]
            _ => unreachable!("a left factor goes to the matrix that prepared it"),
        }
    }
}

for_each_simd! {
    /// Rounds `values` to multiples of a scale, which is returned.
    fn quantise(values: &[f32], numbers: &mut [i8]) -> f32 {
        /// Adding it rounds to an integer, half to even.
        const ROUND: f32 = 12_582_912.0;
        let (scale, inverse) = scale_of(magnitude(values));
        for (number, value) in numbers.iter_mut().zip(values) {
            *number = ((value * inverse + ROUND) - ROUND) as i8;
        }
        scale
    }
}

/// The scale of values of at most this magnitude, and the factor that divides by it. Values whose
/// inverse would overflow count as zero.
fn scale_of(largest: f32) -> (f32, f32) {
    if largest > 1e-30 {
        (largest / LARGEST, LARGEST / largest)
    } else {
        (0.0, 0.0)
    }
}

/// The largest magnitude; NaN is ignored.
#[inline(always)]
fn magnitude(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [0.0_f32; 16];
    let parts = values.chunks_exact(16);
    let rest = parts.remainder().iter();
    let rest = rest.fold(0.0, |a, b| larger(a, b.abs()));
    for part in parts {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane = larger(*lane, value.abs());
        }
    }
    lanes.into_iter().fold(rest, larger)
}

for_each_simd! {
    /// One row of a product with columns stored one after the other.
    fn products(left: &[i8], columns: &[i8], row_scale: f32, scales: &[f32], update: Update, row: &mut [f32]) {
        let depth = left.len();
        for (index, (value, scale)) in row.iter_mut().zip(scales).enumerate() {
            let column = &columns[index * depth..][..depth];
            let sum: i32 = left.iter().zip(column).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
            let product = sum as f32 * (row_scale * scale);
            *value = if update == Update::Add { *value + product } else { product };
        }
    }
}
