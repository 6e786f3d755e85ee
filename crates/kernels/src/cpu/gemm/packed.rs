//! Factors packed once for many products.

#[cfg(target_arch = "x86_64")]
use super::{Kernel, Side, multiply_packed, pack};
use super::{Matrix, MatrixMut, Threads, Update, fallback};
use crate::Precision;

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

    /// The form without panels, for processors that have no kernel.
    pub(super) fn plain(b: Matrix<'_>, precision: Precision) -> Self {
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
