//! int8 products by VPMADDWD: 6 rows × 16 columns in 12 of 16 registers.
//!
//! VPMADDUBSW, which multiplies bytes, saturates sums of two, so bytes are widened to 16 bits. Of a
//! step's four neighbours along k, the even two are multiplied and then the odd two, since that
//! is how a word of four bytes is widened by shifts. A left panel holds, for each step, a word of
//! two 16-bit numbers for the even neighbours of each row, and then one for the odd.

use std::arch::x86_64::*;

use super::super::{Finish, Update};
use super::panels::{Columns, Tile};
use super::quantise;

pub const TALL: usize = 6;
pub const WIDE: usize = 16;

/// Rounds a row and writes its words into place `place` of a panel; returns its scale.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn pack_row(values: &[f32], place: usize, panel: &mut [u32]) -> f32 {
    let mut numbers = vec![0_i8; values.len().next_multiple_of(4)];
    let scale = quantise(values, &mut numbers);
    let (quads, _) = numbers.as_chunks::<4>();
    let (steps, _) = panel.as_chunks_mut::<{ 2 * TALL }>();
    let pair =
        |low: i8, high: i8| u32::from(low as i16 as u16) | u32::from(high as i16 as u16) << 16;
    for (step, [a, b, c, d]) in steps.iter_mut().zip(quads) {
        step[place] = pair(*a, *c);
        step[TALL + place] = pair(*b, *d);
    }
    scale
}

/// One tile of at most 6 rows, as many as `row_scales`.
///
/// # Safety
/// The processor has AVX2, and the pointers reach what the tile needs.
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
    by_rows!(1 2 3 4 5 6);
}

#[target_feature(enable = "avx2,fma")]
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
    let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
    // A macro, because sums passed to a function would leave their registers.
    macro_rules! add {
        ($widen:expr) => {
            let right = [$widen(b), $widen(b.add(8))];
            for (row, sum) in sums.iter_mut().enumerate() {
                let left = _mm256_set1_epi32(a.add(row).read() as i32);
                sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(left, right[0]));
                sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(left, right[1]));
            }
            a = a.add(TALL);
        };
    }
    for _ in 0..steps {
        // SAFETY: each step has 12 and 16 words in the panels (caller).
        unsafe {
            add!(|words: *const u32| {
                let bytes = _mm256_loadu_si256(words.cast());
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes))
            });
            add!(|words: *const u32| _mm256_srai_epi16::<8>(_mm256_loadu_si256(words.cast())));
            b = b.add(WIDE);
        }
    }
    for (row, (sums, row_scale)) in sums.into_iter().zip(row_scales).enumerate() {
        let mut exact = [0_i32; WIDE];
        // SAFETY: two registers are 16 numbers; the caller vouches for the tile.
        let to = unsafe {
            _mm256_storeu_si256(exact.as_mut_ptr().cast(), sums[0]);
            _mm256_storeu_si256(exact.as_mut_ptr().add(8).cast(), sums[1]);
            std::slice::from_raw_parts_mut(to.c.add(row * to.row_stride), columns.present)
        };
        let mut values = [0.0; WIDE];
        for (index, value) in values.iter_mut().enumerate() {
            *value = exact[index] as f32 * (row_scale * columns.scales[index]);
        }
        for (index, (to, mut value)) in to.iter_mut().zip(values).enumerate() {
            if finish.update == Update::Add {
                value += *to;
            }
            if finish.bias.is_some() {
                value += columns.bias[index];
            }
            if finish.relu {
                value = value.max(0.0);
            }
            *to = value;
        }
    }
}
