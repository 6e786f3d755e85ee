//! Splits products whose packed factors would not fit into scratch memory.

use super::{Kernel, Matrix, MatrixMut, PASS_STEPS, Side, Threads, Update, gemm};
use crate::Factors;

/// Maximum number of words in a packed factor: the size of scratch memory, and roughly of the
/// level-3 cache.
const LARGEST_PACKED: usize = 1 << 21;

// A part of unit length along k must fit whichever axis is the longest, or splitting would never
// end.
const _: () = assert!((2 * PASS_STEPS) * (2 * PASS_STEPS + 32) < LARGEST_PACKED);

/// An axis of a product.
#[derive(Debug, Clone, Copy)]
pub enum Axis {
    Rows,
    Columns,
    Depth,
}

/// The axis along which to split a product whose packed factors would be too large, and the size of
/// the parts.
pub fn oversized(kernel: Kernel, a: Matrix<'_>, b: Matrix<'_>) -> Option<(Axis, usize)> {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    let words = kernel
        .packed_words(Side::Left, m, k)
        .max(kernel.packed_words(Side::Right, n, k));
    let parts = words.div_ceil(LARGEST_PACKED);
    if parts <= 1 {
        return None;
    }
    // Whole panels, and whole passes along k, so that the sums are the same as without splitting.
    let part = |length: usize, unit: usize| length.div_ceil(parts).next_multiple_of(unit);
    Some(if k >= m.max(n) {
        (Axis::Depth, part(k, 2 * PASS_STEPS))
    } else if m >= n {
        (Axis::Rows, part(m, kernel.width(Side::Left)))
    } else {
        (Axis::Columns, part(n, kernel.width(Side::Right)))
    })
}

/// The product as several, of `length` rows, columns or steps along k each.
#[expect(
    clippy::too_many_arguments,
    reason = "those of `gemm` and where to cut"
)]
pub fn multiply_parts(
    a: Matrix<'_>,
    b: Matrix<'_>,
    mut c: MatrixMut<'_>,
    update: Update,
    precision: Factors,
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
