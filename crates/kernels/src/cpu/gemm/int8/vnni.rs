//! int8 products by VPDPBUSD: 14 rows × 32 columns in 28 of 32 registers.
//!
//! A packed step is one 32-bit word for each row of a panel: four neighbours along k. The
//! instruction takes unsigned left factors, so they are stored with 128 added, and 128 times the
//! sum of a column's weights is subtracted at the end.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::super::{Finish, Update};
use super::panels::{Columns, Tile, steps};
use super::scale_of;

pub const TALL: usize = 14;
pub const WIDE: usize = 32;

/// Whether a CPU with AVX-512 has the instruction, too.
pub fn is_supported() -> bool {
    is_x86_feature_detected!("avx512vnni")
}

/// Rounds a row and writes its words into place `place` of a panel; returns its scale.
///
/// # Safety
/// The processor has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx2")]
pub unsafe fn pack_row(values: &[f32], place: usize, panel: &mut [u32]) -> f32 {
    assert_eq!(panel.len(), TALL * steps(values.len()), "size of a panel");
    let to = panel[place..].as_mut_ptr();
    let mask = |count: usize| ((1_u32 << count.min(16)) - 1) as __mmask16;
    let mut largest = _mm512_setzero_ps();
    for part in values.chunks(16) {
        // SAFETY: the mask cuts the load at the end of the part.
        let part = unsafe { _mm512_maskz_loadu_ps(mask(part.len()), part.as_ptr()) };
        // Of a number and NaN, the second operand is taken.
        largest = _mm512_max_ps(_mm512_abs_ps(part), largest);
    }
    let (scale, inverse) = scale_of(_mm512_reduce_max_ps(largest));
    let inverse = _mm512_set1_ps(inverse);
    for (index, part) in values.chunks(16).enumerate() {
        // SAFETY: as above; what is beyond the end becomes 128, which the weights there, zeros,
        // multiply.
        let part = unsafe { _mm512_maskz_loadu_ps(mask(part.len()), part.as_ptr()) };
        let numbers = _mm512_cvtps_epi32(_mm512_mul_ps(part, inverse));
        let bytes = _mm512_cvtepi32_epi8(_mm512_add_epi32(numbers, _mm512_set1_epi32(128)));
        let words = [
            _mm_extract_epi32::<0>(bytes),
            _mm_extract_epi32::<1>(bytes),
            _mm_extract_epi32::<2>(bytes),
            _mm_extract_epi32::<3>(bytes),
        ];
        let steps = steps(values.len()) - 4 * index;
        for (step, word) in words.into_iter().enumerate().take(steps) {
            // SAFETY: the panel has a word of each row for each step (asserted).
            unsafe { to.add((4 * index + step) * TALL).write(word as u32) };
        }
    }
    scale
}

/// One tile of at most 14 rows, as many as `row_scales`.
///
/// # Safety
/// The processor has the instructions, and the pointers reach what the tile needs.
pub unsafe fn tile(
    steps: usize,
    left: &[u32],
    right: &[u32],
    row_scales: &[f32],
    columns: Columns<'_>,
    to: Tile,
    finish: Finish<'_>,
) {
    macro_rules! by_rows {
        ($($count:literal)*) => {
            match row_scales.len() {
                // SAFETY: the caller's promise.
                $($count => unsafe { rows::<$count>(steps, left, right, row_scales, columns, to, finish) },)*
                _ => {}
            }
        };
    }
    by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn rows<const ROWS: usize>(
    steps: usize,
    left: &[u32],
    right: &[u32],
    row_scales: &[f32],
    columns: Columns<'_>,
    to: Tile,
    finish: Finish<'_>,
) {
    let (mut a, mut b) = (left.as_ptr(), right.as_ptr());
    let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
    for _ in 0..steps {
        // SAFETY: each step has 14 and 32 words in the panels (caller).
        unsafe {
            let right = [
                _mm512_loadu_si512(b.cast()),
                _mm512_loadu_si512(b.add(16).cast()),
            ];
            for (row, sum) in sums.iter_mut().enumerate() {
                let left = _mm512_set1_epi32(a.add(row).read() as i32);
                sum[0] = _mm512_dpbusd_epi32(sum[0], left, right[0]);
                sum[1] = _mm512_dpbusd_epi32(sum[1], left, right[1]);
            }
            a = a.add(TALL);
            b = b.add(WIDE);
        }
    }
    let existing = u32::MAX >> (WIDE - columns.present);
    let (scales, offsets, bias) = (
        &columns.scales[..WIDE],
        &columns.offsets[..WIDE],
        &columns.bias[..WIDE],
    );
    #[expect(
        clippy::needless_range_loop,
        reason = "a half is a place in the columns and in the tile too"
    )]
    for half in 0..2 {
        let mask = (existing >> (16 * half)) as __mmask16;
        // SAFETY: 32 values each (slices above).
        let (scales, offsets, bias) = unsafe {
            (
                _mm512_loadu_ps(scales.as_ptr().add(16 * half)),
                _mm512_loadu_si512(offsets.as_ptr().add(16 * half).cast()),
                _mm512_loadu_ps(bias.as_ptr().add(16 * half)),
            )
        };
        for row in 0..ROWS {
            let exact = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums[row][half], offsets));
            let scale = _mm512_mul_ps(_mm512_set1_ps(row_scales[row]), scales);
            let mut value = _mm512_mul_ps(exact, scale);
            // SAFETY: masked accesses touch only the tile, for which the caller vouches;
            // wrapping_add because the address of an empty second half may lie past the matrix.
            unsafe {
                let at = to.c.wrapping_add(row * to.row_stride + 16 * half);
                if finish.update == Update::Add {
                    value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, at), value);
                }
                if finish.bias.is_some() {
                    value = _mm512_add_ps(value, bias);
                }
                if finish.relu {
                    value = _mm512_max_ps(value, _mm512_setzero_ps());
                }
                _mm512_mask_storeu_ps(at, mask, value);
            }
        }
    }
}
