//! The register tile for AVX2: 6 rows × 16 columns in 12 of 16 registers.
//!
//! A right panel holds a 32-bit word for each column and step: an f32, or two neighbouring bf16
//! along k, which halves what is read from memory. There is no product of bf16, so they are widened
//! to f32 on the way into a register. Left panels are small and read often: they always hold f32,
//! rounded to bf16 if the right one does.

mod pack;

use std::arch::x86_64::*;

use self::pack::{pack_columns, pack_columns_bf16, pack_columns_rounded};
use self::pack::{pack_rows, pack_rows_bf16, pack_rows_rounded};
use super::Matrix;
use super::kernel::{Side, per_step};
use crate::Factors;
use crate::cpu::simd::Level;

const TALL: usize = 6;
const WIDE: usize = 16;

/// The format of right panels; a value exists only on CPUs with AVX2 and fused multiply-add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Factors);

/// Rows of a left panel, columns of a right one.
pub fn width(side: Side) -> usize {
    match side {
        Side::Left => TALL,
        Side::Right => WIDE,
    }
}

impl Kernel {
    /// The kernel for this precision, if the CPU supports it.
    pub fn for_precision(precision: Factors) -> Option<Self> {
        (Level::current() >= Level::Avx2).then_some(Self(precision))
    }

    /// The name of its instructions.
    pub fn instructions(self) -> &'static str {
        match self.0 {
            Factors::F32 => "AVX2",
            Factors::Bf16 => "AVX2, on factors rounded to bf16",
        }
    }

    /// That of the factors.
    pub fn precision(self) -> Factors {
        self.0
    }

    /// Words of a panel in one step.
    pub fn step_words(self, side: Side) -> usize {
        match side {
            Side::Left => TALL * per_step(self.0),
            Side::Right => WIDE,
        }
    }

    /// Packs rows `first..first + width` of `source`, with zeros for missing rows; `words` is a
    /// whole panel.
    pub fn pack_panel(self, side: Side, source: Matrix<'_>, first: usize, words: &mut [u32]) {
        let present = width(side).min(source.rows - first);
        let rows = source.part(first..first + present, 0..source.columns);
        // SAFETY: `Kernel` exists only where its instructions do.
        unsafe {
            match (self.0, side, rows.column_stride == 1) {
                (Factors::F32, Side::Left, true) => pack_rows::<TALL>(rows, words),
                (Factors::F32, Side::Left, false) => pack_columns::<TALL>(rows, words),
                (Factors::F32, Side::Right, true) => pack_rows::<WIDE>(rows, words),
                (Factors::F32, Side::Right, false) => pack_columns::<WIDE>(rows, words),
                (Factors::Bf16, Side::Left, true) => pack_rows_rounded::<TALL>(rows, words),
                (Factors::Bf16, Side::Left, false) => pack_columns_rounded::<TALL>(rows, words),
                (Factors::Bf16, Side::Right, true) => pack_rows_bf16::<WIDE>(rows, words),
                (Factors::Bf16, Side::Right, false) => pack_columns_bf16::<WIDE>(rows, words),
            }
        }
    }

    /// C tile (`rows` ≤ 6 × `columns` ≤ 16) = or += left panel · right panel.
    ///
    /// # Safety
    /// `c` must be valid for reads and writes of the tile with rows `stride` apart.
    #[expect(clippy::too_many_arguments, reason = "a register tile is all of these")]
    pub unsafe fn tile(
        self,
        left: &[u32],
        right: &[u32],
        c: *mut f32,
        stride: usize,
        rows: usize,
        columns: usize,
        add: bool,
    ) {
        let steps = right.len() / WIDE;
        assert!(left.len() == steps * self.step_words(Side::Left));
        assert!(rows <= TALL && columns <= WIDE);
        let (a, b) = (left.as_ptr().cast(), right.as_ptr());
        macro_rules! by_rows {
            ($function:ident: $($count:literal)*) => {
                match rows {
                    $($count => $function::<$count>(steps, a, b, c, stride, columns, add),)*
                    _ => {}
                }
            };
        }
        // SAFETY: `Kernel` exists only where its instructions do; the panels hold `steps` steps
        // (asserted) and the caller vouches for the tile.
        unsafe {
            match self.0 {
                Factors::F32 => by_rows!(tile_f32: 1 2 3 4 5 6),
                Factors::Bf16 => by_rows!(tile_bf16: 1 2 3 4 5 6),
            }
        }
    }
}

/// Defines a register tile: each `$load` makes f32 of one element along k of eight right words. It
/// is a macro because sums passed to another function would leave their registers.
macro_rules! tile {
    ($name:ident, $($load:expr),+) => {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $name<const ROWS: usize>(
            steps: usize,
            mut a: *const f32,
            mut b: *const u32,
            c: *mut f32,
            stride: usize,
            columns: usize,
            add: bool,
        ) {
            prefetch::<ROWS>(c, stride);
            let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
            for _ in 0..steps {
                // SAFETY: each step has 16 words in the right panel, and 6 in the left one for
                // each element along k (caller).
                unsafe {
                    $(
                        let right = [$load(b), $load(b.add(8))];
                        for (row, sum) in sums.iter_mut().enumerate() {
                            let left = _mm256_set1_ps(a.add(row).read());
                            sum[0] = _mm256_fmadd_ps(left, right[0], sum[0]);
                            sum[1] = _mm256_fmadd_ps(left, right[1], sum[1]);
                        }
                        a = a.add(TALL);
                    )+
                    b = b.add(WIDE);
                }
            }
            for (row, [low, high]) in sums.into_iter().enumerate() {
                // SAFETY: the caller vouches for `columns` elements in each row of the tile.
                unsafe {
                    let to = c.add(row * stride);
                    if columns == WIDE {
                        let [low, high] = if add {
                            [
                                _mm256_add_ps(low, _mm256_loadu_ps(to)),
                                _mm256_add_ps(high, _mm256_loadu_ps(to.add(8))),
                            ]
                        } else {
                            [low, high]
                        };
                        _mm256_storeu_ps(to, low);
                        _mm256_storeu_ps(to.add(8), high);
                    } else {
                        let mut values = [0.0; WIDE];
                        _mm256_storeu_ps(values.as_mut_ptr(), low);
                        _mm256_storeu_ps(values.as_mut_ptr().add(8), high);
                        let to = std::slice::from_raw_parts_mut(to, columns);
                        for (to, value) in to.iter_mut().zip(values) {
                            *to = if add { value + *to } else { value };
                        }
                    }
                }
            }
        }
    };
}
tile!(tile_f32, |words: *const u32| _mm256_loadu_ps(words.cast()));
tile!(
    tile_bf16,
    |words: *const u32| {
        let earlier = _mm256_slli_epi32::<16>(_mm256_loadu_si256(words.cast()));
        _mm256_castsi256_ps(earlier)
    },
    |words: *const u32| {
        let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
        _mm256_castsi256_ps(_mm256_and_si256(upper, _mm256_loadu_si256(words.cast())))
    }
);

/// Prefetches the lines of the result while the products run; they are read or overwritten at the
/// end.
#[inline(always)]
fn prefetch<const ROWS: usize>(c: *const f32, stride: usize) {
    for row in 0..ROWS {
        let start = c.wrapping_add(row * stride);
        // SAFETY: a prefetch touches no memory that the program could see, wherever it points.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(start.cast());
            _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(15).cast());
        }
    }
}
