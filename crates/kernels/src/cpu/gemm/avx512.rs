//! The register tile for AVX-512: 14 rows × 32 columns in 28 of 32 registers.
//!
//! A packed step is one 32-bit word for each row of a panel: an f32, or two neighbouring bf16
//! along k. Both formats share the layout and the driver.

mod pack;

use std::arch::x86_64::*;

use self::pack::{pack_columns_bf16, pack_columns_f32, pack_rows_bf16, pack_rows_f32};
use super::Matrix;
use super::kernel::{Side, per_step};
use crate::Factors;
use crate::cpu::simd::Level;

const TALL: usize = 14;
const WIDE: usize = 32;

/// The multiplying instruction; a value exists only on CPUs that have it.
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
        let level = Level::current();
        match precision {
            Factors::F32 if level >= Level::Avx512 => Some(Self(precision)),
            Factors::Bf16 if level >= Level::Avx512Bf16 => Some(Self(precision)),
            _ => None,
        }
    }

    /// The name of its instructions.
    pub fn instructions(self) -> &'static str {
        match self.0 {
            Factors::F32 => "AVX-512",
            Factors::Bf16 => "AVX-512 BF16",
        }
    }

    /// That of the factors.
    pub fn precision(self) -> Factors {
        self.0
    }

    /// Packs rows `first..first + width` of `source`, with zeros for missing rows.
    pub fn pack_panel(self, side: Side, source: Matrix<'_>, first: usize, words: &mut [u32]) {
        let width = width(side);
        assert_eq!(
            words.len(),
            width * source.columns.div_ceil(per_step(self.0))
        );
        let (present, depth) = (width.min(source.rows - first), source.columns);
        // SAFETY: `Kernel` exists only where its instructions do; the packing routines read
        // elements (first..first + present, 0..columns) of a matrix whose constructor checked its
        // size, and write `width` words a step, which is the length asserted above.
        unsafe {
            let start = source.data.as_ptr().add(first * source.row_stride);
            let to = words.as_mut_ptr();
            match (self.0, source.column_stride, source.row_stride) {
                (Factors::F32, 1, stride) => {
                    pack_rows_f32(start, stride, present, depth, width, to);
                }
                (Factors::Bf16, 1, stride) => {
                    pack_rows_bf16(start, stride, present, depth, width, to);
                }
                (Factors::F32, stride, 1) => {
                    pack_columns_f32(start, stride, present, depth, width, to);
                }
                (Factors::Bf16, stride, 1) => {
                    pack_columns_bf16(start, stride, present, depth, width, to);
                }
                _ => unreachable!("a matrix is contiguous along one axis"),
            }
        }
    }

    /// C tile (`rows` ≤ 14 × `columns` ≤ 32) = or += left panel · right panel.
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
        assert!(left.len() == steps * TALL && rows <= TALL && columns <= WIDE);
        let mask = u32::MAX >> (WIDE - columns);
        let masks = [mask as __mmask16, (mask >> 16) as __mmask16];
        let (a, b) = (left.as_ptr(), right.as_ptr());
        macro_rules! by_rows {
            ($function:ident: $($count:literal)*) => {
                match rows {
                    $($count => $function::<$count>(steps, a, b, c, stride, masks, add),)*
                    _ => {}
                }
            };
        }
        // SAFETY: `Kernel` exists only where its instructions do; the panels hold `steps` steps
        // (asserted) and the caller vouches for the tile, of which the masks select `columns`.
        unsafe {
            match self.0 {
                Factors::F32 => by_rows!(tile_f32: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
                Factors::Bf16 => by_rows!(tile_bf16: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            }
        }
    }
}

/// Defines a register tile: `$load` reads half a right step, `$spread` broadcasts one left word to
/// every lane, `$multiply` adds their product to a sum. It is a macro because sums passed to
/// another function would leave their registers.
macro_rules! tile {
    ($name:ident, $features:literal, $load:expr, $spread:expr, $multiply:expr) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<const ROWS: usize>(
            steps: usize,
            mut a: *const u32,
            mut b: *const u32,
            c: *mut f32,
            stride: usize,
            masks: [__mmask16; 2],
            add: bool,
        ) {
            prefetch::<ROWS>(c, stride);
            let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
            for _ in 0..steps {
                // SAFETY: each step has 14 and 32 words in the panels (caller).
                unsafe {
                    let right = [$load(b), $load(b.add(16))];
                    for (row, sum) in sums.iter_mut().enumerate() {
                        let left = $spread(a.add(row).read());
                        sum[0] = $multiply(left, right[0], sum[0]);
                        sum[1] = $multiply(left, right[1], sum[1]);
                    }
                    a = a.add(TALL);
                    b = b.add(WIDE);
                }
            }
            for (row, sum) in sums.into_iter().enumerate() {
                for half in 0..2 {
                    // SAFETY: masked accesses touch only the tile, for which the caller vouches;
                    // wrapping_add because the address of an empty second half may lie past the
                    // matrix.
                    unsafe {
                        let to = c.wrapping_add(row * stride + half * 16);
                        let mut value = sum[half];
                        if add {
                            value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(masks[half], to));
                        }
                        _mm512_mask_storeu_ps(to, masks[half], value);
                    }
                }
            }
        }
    };
}
tile!(
    tile_f32,
    "avx512f",
    |words: *const u32| _mm512_loadu_ps(words.cast()),
    |word: u32| _mm512_set1_ps(f32::from_bits(word)),
    |left, right, sum| _mm512_fmadd_ps(left, right, sum)
);
tile!(
    tile_bf16,
    "avx512f,avx512bf16",
    |words: *const u32| pairs(_mm512_loadu_si512(words.cast())),
    |word: u32| pairs(_mm512_set1_epi32(word as i32)),
    |left, right, sum| _mm512_dpbf16_ps(sum, left, right)
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
            _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(31).cast());
        }
    }
}

/// The same 512 bits, seen as 32 bf16.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn pairs(words: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes without invalid values.
    unsafe { std::mem::transmute(words) }
}
