//! Products computed by the `gemm` crate: AVX2, NEON, WebAssembly or scalar code.

use half::bf16;

use super::super::parallel::for_each_simd;
use super::{Matrix, MatrixMut, Threads, Update};
use crate::Factors;

/// `value` as used by a product in `precision`.
#[inline(always)]
pub fn rounded(value: f32, precision: Factors) -> f32 {
    match precision {
        Factors::F32 => value,
        Factors::Bf16 => bf16::from_f32(value).to_f32(),
    }
}

pub fn gemm(
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: MatrixMut<'_>,
    update: Update,
    precision: Factors,
    threads: Threads,
) {
    if precision == Factors::Bf16 {
        let (left, right) = (rounded_copy(a), rounded_copy(b));
        let a = Matrix::dense(&left, a.rows, a.columns);
        let b = Matrix::dense(&right, b.rows, b.columns);
        return gemm(a, b, c, update, Factors::F32, threads);
    }
    if c.rows == 0 || c.columns == 0 {
        return;
    }
    let parallelism = match threads {
        Threads::One => gemm::Parallelism::None,
        Threads::All => gemm::Parallelism::Rayon(0),
    };
    // SAFETY: the constructors of the three matrices checked that rows, columns and strides stay
    // inside their slices, and `c` is borrowed mutably, so it overlaps neither factor.
    unsafe {
        gemm::gemm(
            c.rows,
            c.columns,
            a.columns,
            c.start,
            1,
            c.row_stride as isize,
            update == Update::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// The elements of `matrix`, row after row, rounded to bf16.
pub fn rounded_copy(matrix: Matrix<'_>) -> Vec<f32> {
    let mut copy = vec![0.0; matrix.rows * matrix.columns];
    for (row, copy) in copy.chunks_exact_mut(matrix.columns.max(1)).enumerate() {
        if matrix.column_stride == 1 {
            round(matrix.row(row), copy);
        } else {
            let values = matrix.data[row * matrix.row_stride..].iter();
            for (copy, value) in copy.iter_mut().zip(values.step_by(matrix.column_stride)) {
                *copy = rounded(*value, Factors::Bf16);
            }
        }
    }
    copy
}

for_each_simd! {
    fn round(values: &[f32], copy: &mut [f32]) {
        for (copy, value) in copy.iter_mut().zip(values) {
            *copy = rounded(*value, Factors::Bf16);
        }
    }
}
