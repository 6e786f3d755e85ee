//! Packing for AVX2: rows of a matrix into panels of `WIDTH` words for each step along k. Rows that
//! are missing in the last panel are zeros.
//!
//! The bodies are plain loops, which the compiler vectorises; only the transposition is not.

use std::arch::x86_64::*;

use super::super::fallback;
use super::Matrix;
use crate::Factors;

/// Defines the two routines of a format: for rows that are contiguous along k, and for rows whose
/// neighbours are contiguous. `$word` makes a word of `$per_word` elements along k.
macro_rules! format {
    ($rows:ident, $columns:ident, $per_word:literal, $word:expr) => {
        #[target_feature(enable = "avx2,fma")]
        pub(super) fn $rows<const WIDTH: usize>(source: Matrix<'_>, words: &mut [u32]) {
            for (block, words) in words.chunks_mut(8 * WIDTH).enumerate() {
                let first = (8 * block * $per_word).min(source.columns);
                let count = (source.columns - first).min(8 * $per_word);
                for row in (0..WIDTH).step_by(8) {
                    let mut square = [[0_u32; 8]; 8];
                    for (index, to) in (row..source.rows).zip(&mut square) {
                        let values = &source.row(index)[first..first + count];
                        let mut padded = [0.0; 8 * $per_word];
                        let values = values.try_into().unwrap_or_else(|_| {
                            padded[..count].copy_from_slice(values);
                            &padded
                        });
                        *to = in_words::<$per_word, { 8 * $per_word }>(values, $word);
                    }
                    let lanes = (WIDTH - row).min(8);
                    for (step, square) in words.chunks_exact_mut(WIDTH).zip(transposed(square)) {
                        step[row..row + lanes].copy_from_slice(&square[..lanes]);
                    }
                }
            }
        }

        #[target_feature(enable = "avx2,fma")]
        pub(super) fn $columns<const WIDTH: usize>(source: Matrix<'_>, words: &mut [u32]) {
            let (steps, _) = words.as_chunks_mut::<WIDTH>();
            for (step, words) in steps.iter_mut().enumerate() {
                let mut elements = [[0.0; WIDTH]; $per_word];
                for (offset, elements) in elements.iter_mut().enumerate() {
                    let k = step * $per_word + offset;
                    if k < source.columns {
                        let from = &source.data[k * source.column_stride..][..source.rows];
                        match from.try_into() {
                            Ok(whole) => *elements = *<&[f32; WIDTH]>::from(whole),
                            Err(_) => elements[..from.len()].copy_from_slice(from),
                        }
                    }
                }
                for (row, word) in words.iter_mut().enumerate() {
                    *word = $word(std::array::from_fn::<f32, $per_word, _>(|i| {
                        elements[i][row]
                    }));
                }
            }
        }
    };
}
format!(pack_rows, pack_columns, 1, |[value]: [f32; 1]| value
    .to_bits());
format!(
    pack_rows_rounded,
    pack_columns_rounded,
    1,
    |[value]: [f32; 1]| rounded(value)
);
format!(
    pack_rows_bf16,
    pack_columns_bf16,
    2,
    |[earlier, later]: [f32; 2]| rounded(earlier) >> 16 | rounded(later)
);

/// Words of `PER_WORD` neighbours each.
#[inline(always)]
fn in_words<const PER_WORD: usize, const COUNT: usize>(
    values: &[f32; COUNT],
    word: impl Fn([f32; PER_WORD]) -> u32,
) -> [u32; 8] {
    std::array::from_fn(|index| word(std::array::from_fn(|i| values[index * PER_WORD + i])))
}

/// The bits of `value` rounded to bf16, of which the lower 16 are zero.
#[inline(always)]
fn rounded(value: f32) -> u32 {
    fallback::rounded(value, Factors::Bf16).to_bits()
}

/// Transposes 8 × 8 words: first inside each 128-bit half, then the halves.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: [[u32; 8]; 8]) -> [[u32; 8]; 8] {
    // SAFETY: each row is 32 bytes.
    let rows = rows.map(|row| unsafe { _mm256_loadu_si256(row.as_ptr().cast()) });
    let mut columns = [[0; 8]; 8];
    // quads[group][c]: in half h, words (rows 4 group.., column 4 h + c).
    let quads = [0, 4].map(|first| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|row| rows[first + row]);
        let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab_low, cd_low),
            _mm256_unpackhi_epi64(ab_low, cd_low),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ]
    });
    for column in 0..4 {
        let (top, bottom) = (quads[0][column], quads[1][column]);
        let halves = [
            _mm256_permute2x128_si256::<0x20>(top, bottom),
            _mm256_permute2x128_si256::<0x31>(top, bottom),
        ];
        for (half, words) in halves.into_iter().enumerate() {
            // SAFETY: a column is 32 bytes.
            unsafe { _mm256_storeu_si256(columns[column + 4 * half].as_mut_ptr().cast(), words) };
        }
    }
    columns
}
