//! Factors packed once for many products.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::super::buffer::Buffer;
use super::{Finish, Int8Left, Int8Matrix, Matrix, MatrixMut, Threads, fallback};
#[cfg(target_arch = "x86_64")]
use super::{Kernel, Side, multiply_panels, pack, packed};
use crate::Factors;

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
    Panels {
        kernel: Kernel,
        words: Vec<u32>,
    },
    /// Column-major, so that a column's products run over contiguous memory; rounded to the
    /// precision.
    Plain {
        values: Vec<f32>,
        precision: Factors,
    },
    Int8(Int8Matrix),
}

/// A left factor prepared for products with one [`PackedMatrix`].
#[derive(Debug)]
pub struct Left<'a> {
    rows: usize,
    form: LeftForm<'a>,
}

#[derive(Debug)]
enum LeftForm<'a> {
    #[cfg(target_arch = "x86_64")]
    Panels(Buffer<u32>),
    Plain(Matrix<'a>),
    /// Row after row, rounded to bf16.
    Rounded(Vec<f32>),
    Int8(Int8Left),
}

/// Panels of packed factors begin at multiples of this number of columns.
pub const PANEL: usize = 32;

impl PackedMatrix {
    /// Packs `b` [k, n] for products in `precision`.
    pub fn new(b: Matrix<'_>, precision: Factors) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = Kernel::for_precision(precision) {
            let (rows, columns) = (b.rows, b.columns);
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

    /// Rounds the transpose of `weight` [n, k] to int8.
    pub fn int8(weight: Matrix<'_>) -> Self {
        Self {
            rows: weight.columns,
            columns: weight.rows,
            form: Form::Int8(Int8Matrix::new(weight)),
        }
    }

    /// The form without panels, for CPUs without a kernel.
    pub(super) fn plain(b: Matrix<'_>, precision: Factors) -> Self {
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

    /// Size of the input: k.
    pub fn depth(&self) -> usize {
        self.rows
    }

    /// Column `index` as used in products, k values.
    pub fn column(&self, index: usize, values: &mut [f32]) {
        match &self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Panels { kernel, words } => {
                kernel.unpack(self.rows, words, index, values);
            }
            Form::Plain { values: all, .. } => {
                values.copy_from_slice(&all[index * self.rows..][..self.rows]);
            }
            Form::Int8(matrix) => matrix.column(index, values),
        }
    }

    /// Prepares `a` [m, k] for products with this matrix.
    ///
    /// # Panics
    /// If its width is not k.
    pub fn prepare<'a>(&self, a: Matrix<'a>, threads: Threads) -> Left<'a> {
        assert_eq!(a.columns, self.rows, "inner sizes of a product");
        let form = match &self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Panels { kernel, .. } => {
                LeftForm::Panels(packed(*kernel, Side::Left, a, threads))
            }
            Form::Plain { precision, .. } => match precision {
                Factors::F32 => LeftForm::Plain(a),
                Factors::Bf16 => LeftForm::Rounded(fallback::rounded_copy(a)),
            },
            Form::Int8(matrix) => LeftForm::Int8(matrix.prepare(a, threads)),
        };
        Left { rows: a.rows, form }
    }

    /// Multiplies a left factor that this matrix prepared by columns `range` into `c` [m, range];
    /// the bias of `finish` is that of these columns.
    ///
    /// # Panics
    /// If the shapes do not agree, or `range` does not begin at a multiple of [`PANEL`].
    pub fn multiply_columns(
        &self,
        left: &Left<'_>,
        range: Range<usize>,
        c: MatrixMut<'_>,
        finish: Finish<'_>,
        threads: Threads,
    ) {
        assert_eq!(
            (c.rows, c.columns),
            (left.rows, range.len()),
            "size of a product"
        );
        assert!(range.end <= self.columns && range.start.is_multiple_of(PANEL));
        match (&self.form, &left.form) {
            #[cfg(target_arch = "x86_64")]
            (Form::Panels { kernel, words }, LeftForm::Panels(left)) => {
                let panels = range.start / kernel.width(Side::Right);
                let words =
                    &words[panels * kernel.step_words(Side::Right) * kernel.steps(self.rows)..];
                multiply_panels(*kernel, left, words, self.rows, c, finish, threads);
            }
            (Form::Plain { values, .. }, LeftForm::Plain(a)) => {
                multiply_plain(*a, &values[range.start * self.rows..], c, finish, threads);
            }
            (Form::Plain { values, .. }, LeftForm::Rounded(a)) => {
                let a = Matrix::dense(a, left.rows, self.rows);
                multiply_plain(a, &values[range.start * self.rows..], c, finish, threads);
            }
            (Form::Int8(matrix), LeftForm::Int8(left)) => {
                matrix.multiply(left, range, c, finish, threads);
            }
            _ => panic!("a left factor goes to the matrix that prepared it"),
        }
    }

    /// Multiplies `a` [m, k] by this matrix into `c` [m, n].
    ///
    /// # Panics
    /// If the shapes do not agree.
    pub fn multiply(&self, a: Matrix<'_>, c: MatrixMut<'_>, finish: Finish<'_>, threads: Threads) {
        let left = self.prepare(a, threads);
        self.multiply_columns(&left, 0..self.columns, c, finish, threads);
    }
}

/// Multiplies `a` [m, k] by columns stored one after the other; both are rounded already.
fn multiply_plain(
    a: Matrix<'_>,
    columns: &[f32],
    mut c: MatrixMut<'_>,
    finish: Finish<'_>,
    threads: Threads,
) {
    let b = Matrix::dense(columns, c.columns, a.columns).transposed();
    let all = c.rows_mut(0..a.rows);
    fallback::gemm(a, b, all, finish.update, Factors::F32, threads);
    finish.apply(c, 0);
}
