//! Packing and the register tile for AVX-512: 14 rows × 32 columns in 28 of 32 registers.
//!
//! A packed step is one 32-bit word for each row of a panel: an f32, or two neighbouring bf16
//! along k. Both formats share the layout and the driver.

use std::arch::x86_64::*;

use super::{Matrix, Side};
use crate::Precision;
use crate::cpu::simd::Level;

const TALL: usize = 14;
const WIDE: usize = 32;

/// The instruction that multiplies; a value exists only on processors that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Format);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// One f32 a step: fused multiply-add.
    F32,
    /// Two bf16 a step: VDPBF16PS.
    Bf16,
}

impl Kernel {
    /// The kernel for this precision, if the processor has one.
    pub fn for_precision(precision: Precision) -> Option<Self> {
        let level = Level::current();
        match precision {
            Precision::F32 if level >= Level::Avx512 => Some(Self(Format::F32)),
            Precision::Bf16 if level >= Level::Avx512Bf16 => Some(Self(Format::Bf16)),
            _ => None,
        }
    }

    /// Rows of a left panel, columns of a right one.
    pub fn width(self, side: Side) -> usize {
        match side {
            Side::Left => TALL,
            Side::Right => WIDE,
        }
    }

    /// Steps of `depth` elements along k.
    pub fn steps(self, depth: usize) -> usize {
        match self.0 {
            Format::F32 => depth,
            Format::Bf16 => depth.div_ceil(2),
        }
    }

    /// Words that `rows` rows of `depth` elements take when packed.
    pub fn packed_words(self, side: Side, rows: usize, depth: usize) -> usize {
        let width = self.width(side);
        rows.div_ceil(width) * width * self.steps(depth)
    }

    /// Packs rows `first..first + width` of `source`, zeros where there are none.
    pub fn pack_panel(self, side: Side, source: Matrix<'_>, first: usize, words: &mut [u32]) {
        let width = self.width(side);
        assert_eq!(words.len(), width * self.steps(source.columns));
        let (present, depth) = (width.min(source.rows - first), source.columns);
        // SAFETY: `Kernel` exists only where its instructions do; the packing routines read
        // elements (first..first + present, 0..columns) of a matrix whose constructor checked its
        // size, and write `width` words a step, which is the length asserted above.
        unsafe {
            let start = source.data.as_ptr().add(first * source.row_stride);
            let to = words.as_mut_ptr();
            match (self.0, source.column_stride, source.row_stride) {
                (Format::F32, 1, stride) => {
                    pack_rows_f32(start, stride, present, depth, width, to);
                }
                (Format::Bf16, 1, stride) => {
                    pack_rows_bf16(start, stride, present, depth, width, to);
                }
                (Format::F32, stride, 1) => {
                    pack_columns_f32(start, stride, present, depth, width, to);
                }
                (Format::Bf16, stride, 1) => {
                    pack_columns_bf16(start, stride, present, depth, width, to);
                }
                _ => unreachable!("a matrix is contiguous along one axis"),
            }
        }
    }

    /// Row `index` of packed rows of `depth` elements, as f32.
    pub fn unpack(self, side: Side, depth: usize, words: &[u32], index: usize, to: &mut [f32]) {
        let width = self.width(side);
        let panel = index / width * width * self.steps(depth);
        let words = words[panel + index % width..].iter().step_by(width);
        match self.0 {
            Format::F32 => {
                for (value, word) in to.iter_mut().zip(words) {
                    *value = f32::from_bits(*word);
                }
            }
            Format::Bf16 => {
                for (pair, word) in to.chunks_mut(2).zip(words) {
                    for (value, half) in pair.iter_mut().zip([word << 16, word & 0xffff_0000]) {
                        *value = f32::from_bits(half);
                    }
                }
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
                Format::F32 => by_rows!(tile_f32: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
                Format::Bf16 => by_rows!(tile_bf16: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            }
        }
    }
}

/// Defines a register tile: `$load` reads half a right step, `$spread` one left word into every
/// lane, `$multiply` adds their product to a sum. A macro, because sums handed to another function
/// would leave their registers.
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

/// Fetches the result's lines while the products run; they are read or overwritten at the end.
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

/// Mask of the first `count` (at most 16) lanes.
#[inline]
fn first(count: usize) -> __mmask16 {
    ((1_u32 << count.min(16)) - 1) as __mmask16
}

/// Defines a routine that packs rows contiguous along k, by transposing 16 × 16 words at a time;
/// `$load` reads up to 16 words of a row.
macro_rules! pack_rows {
    ($name:ident, $features:literal, $per_word:literal, $load:ident) => {
        #[target_feature(enable = $features)]
        unsafe fn $name(
            from: *const f32,
            stride: usize,
            present: usize,
            depth: usize,
            width: usize,
            to: *mut u32,
        ) {
            let steps = depth.div_ceil($per_word);
            for row in (0..width).step_by(16) {
                let lanes = first(width - row);
                for step in (0..steps).step_by(16) {
                    let mut block = [_mm512_setzero_si512(); 16];
                    let rows = present.saturating_sub(row);
                    for (index, words) in block.iter_mut().enumerate().take(rows) {
                        // SAFETY: row + index < present and the load stops at `depth`.
                        *words = unsafe {
                            let start = (row + index) * stride + step * $per_word;
                            $load(from.add(start), depth - step * $per_word)
                        };
                    }
                    let columns = transpose(block);
                    for (index, words) in columns.into_iter().enumerate().take(steps - step) {
                        // SAFETY: step + index < steps; `lanes` keeps inside the panel.
                        unsafe {
                            let target = to.add((step + index) * width + row);
                            _mm512_mask_storeu_epi32(target.cast(), lanes, words);
                        }
                    }
                }
            }
        }
    };
}
pack_rows!(pack_rows_f32, "avx512f", 1, load_words);
pack_rows!(pack_rows_bf16, "avx512f,avx512bw,avx512bf16", 2, load_pairs);

/// Up to 16 consecutive f32.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_words(from: *const f32, count: usize) -> __m512i {
    // SAFETY: the mask cuts the load at `count`.
    unsafe { _mm512_castps_si512(_mm512_maskz_loadu_ps(first(count), from)) }
}

/// Up to 32 consecutive f32 rounded to bf16, two neighbours a word.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn load_pairs(from: *const f32, count: usize) -> __m512i {
    // SAFETY: the masks cut the loads at `count`; wrapping_add because the second half may be
    // empty and lie past the matrix.
    unsafe {
        let low = _mm512_maskz_loadu_ps(first(count), from);
        let high = _mm512_maskz_loadu_ps(first(count.saturating_sub(16)), from.wrapping_add(16));
        words(_mm512_cvtne2ps_pbh(high, low))
    }
}

/// Packs rows whose neighbours are contiguous (k runs across memory), in f32.
#[target_feature(enable = "avx512f")]
unsafe fn pack_columns_f32(
    from: *const f32,
    stride: usize,
    present: usize,
    depth: usize,
    width: usize,
    to: *mut u32,
) {
    for step in 0..depth {
        for row in (0..width).step_by(16) {
            // SAFETY: the load is cut at `present` rows, the store at the panel's width.
            unsafe {
                let source = from.wrapping_add(step * stride + row);
                let words = load_words(source, present.saturating_sub(row));
                let target = to.add(step * width + row).cast();
                _mm512_mask_storeu_epi32(target, first(width - row), words);
            }
        }
    }
}

/// Packs rows whose neighbours are contiguous, in pairs of bf16 along k.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_columns_bf16(
    from: *const f32,
    stride: usize,
    present: usize,
    depth: usize,
    width: usize,
    to: *mut u32,
) {
    // Lane 2i takes row i of the earlier k, lane 2i + 1 of the later: 0, 16, 1, 17, …
    let mut order = [0_i16; 32];
    for (lane, from) in order.iter_mut().enumerate() {
        *from = (lane / 2 + lane % 2 * 16) as i16;
    }
    // SAFETY: `order` is 64 bytes.
    let order = unsafe { _mm512_loadu_si512(order.as_ptr().cast()) };
    for step in 0..depth.div_ceil(2) {
        for row in (0..width).step_by(16) {
            let rows = present.saturating_sub(row);
            // SAFETY: loads are cut at `present` rows, the later one also where k ends; the store
            // at the panel's width.
            unsafe {
                let source = from.wrapping_add(2 * step * stride + row);
                let earlier = _mm512_maskz_loadu_ps(first(rows), source);
                let exists = if 2 * step + 1 < depth { first(rows) } else { 0 };
                let later = _mm512_maskz_loadu_ps(exists, source.wrapping_add(stride));
                let both = words(_mm512_cvtne2ps_pbh(later, earlier));
                let woven = _mm512_permutexvar_epi16(order, both);
                let target = to.add(step * width + row).cast();
                _mm512_mask_storeu_epi32(target, first(width - row), woven);
            }
        }
    }
}

/// 32 bf16, seen as 16 words.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn words(pairs: __m512bh) -> __m512i {
    // SAFETY: both are 64 bytes without invalid values.
    unsafe { std::mem::transmute(pairs) }
}

/// Transposes 16 × 16 words: first inside each 128-bit quarter, then the quarters.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    let zero = _mm512_setzero_si512();
    // quads[4g + c]: in quarter q, words (rows 4g..4g + 4, column 4q + c).
    let mut quads = [zero; 16];
    for group in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|row| rows[4 * group + row]);
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        quads[4 * group] = _mm512_unpacklo_epi64(ab_low, cd_low);
        quads[4 * group + 1] = _mm512_unpackhi_epi64(ab_low, cd_low);
        quads[4 * group + 2] = _mm512_unpacklo_epi64(ab_high, cd_high);
        quads[4 * group + 3] = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
    let mut columns = [zero; 16];
    for column in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|group| quads[4 * group + column]);
        // Quarters 0, 1 of a and b; then of c and d; and 2, 3 likewise.
        let (ab_low, ab_high) = (
            _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b),
            _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b),
        );
        let (cd_low, cd_high) = (
            _mm512_shuffle_i32x4::<0b01_00_01_00>(c, d),
            _mm512_shuffle_i32x4::<0b11_10_11_10>(c, d),
        );
        columns[column] = _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_low, cd_low);
        columns[column + 4] = _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_low, cd_low);
        columns[column + 8] = _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_high, cd_high);
        columns[column + 12] = _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_high, cd_high);
    }
    columns
}
