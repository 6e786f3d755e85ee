//! Packing for AVX-512: rows of a matrix into panels of one 32-bit word per row and step along k,
//! an f32 or two neighbouring bf16.

use std::arch::x86_64::*;

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
        pub(super) unsafe fn $name(
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

/// Up to 32 consecutive f32 rounded to bf16, two neighbours per word.
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

/// Packs rows whose neighbours are contiguous (k strides through memory), in f32.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn pack_columns_f32(
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
pub(super) unsafe fn pack_columns_bf16(
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
