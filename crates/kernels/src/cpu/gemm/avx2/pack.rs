//! Packing for AVX2: rows of a matrix into panels of `WIDTH` words for each step along k. Rows that
//! are missing in the last panel are zeros.
//!
//! Rounding is written for vectors: the `half` crate's branches for NaN, so the compiler made scalar
//! code of it, which took a sixth of a training step in bf16.

use std::arch::x86_64::*;

use super::Matrix;

/// Defines the two routines of a format: for rows that are contiguous along k, and for rows whose
/// neighbours are contiguous. `$words` makes eight words, each of `$per_word` elements along k.
macro_rules! format {
    ($rows:ident, $columns:ident, $per_word:literal, $words:ident) => {
        #[target_feature(enable = "avx2,fma")]
        pub(super) fn $rows<const WIDTH: usize>(source: Matrix<'_>, words: &mut [u32]) {
            for (block, words) in words.chunks_mut(8 * WIDTH).enumerate() {
                let (steps, _) = words.as_chunks_mut::<WIDTH>();
                let first = (8 * block * $per_word).min(source.columns);
                let count = (source.columns - first).min(8 * $per_word);
                for eight in 0..WIDTH.div_ceil(8) {
                    let mut square = [_mm256_setzero_si256(); 8];
                    for (index, to) in (8 * eight..source.rows).zip(&mut square) {
                        let values = &source.row(index)[first..first + count];
                        let mut padded = [0.0; 8 * $per_word];
                        let values = values.try_into().unwrap_or_else(|_| {
                            padded[..count].copy_from_slice(values);
                            &padded
                        });
                        *to = $words(in_turn::<$per_word, { 8 * $per_word }>(values));
                    }
                    for (step, words) in steps.iter_mut().zip(transposed(square)) {
                        write(step, eight, words);
                    }
                }
            }
        }

        #[target_feature(enable = "avx2,fma")]
        pub(super) fn $columns<const WIDTH: usize>(source: Matrix<'_>, words: &mut [u32]) {
            let (steps, _) = words.as_chunks_mut::<WIDTH>();
            for (step, words) in steps.iter_mut().enumerate() {
                for eight in 0..WIDTH.div_ceil(8) {
                    let mut vectors = [_mm256_setzero_ps(); $per_word];
                    for (offset, vector) in vectors.iter_mut().enumerate() {
                        let k = step * $per_word + offset;
                        if k < source.columns && 8 * eight < source.rows {
                            let from = &source.data[k * source.column_stride..][8 * eight..];
                            let present = source.rows - 8 * eight;
                            *vector = match from.first_chunk() {
                                // What follows the rows of a whole panel is not written.
                                Some(values) if present >= (WIDTH - 8 * eight).min(8) => {
                                    load(values)
                                }
                                _ => {
                                    let mut padded = [0.0; 8];
                                    padded[..present].copy_from_slice(&from[..present]);
                                    load(&padded)
                                }
                            };
                        }
                    }
                    write(words, eight, in_memory($words(vectors)));
                }
            }
        }
    };
}
format!(pack_rows, pack_columns, 1, bits);
format!(pack_rows_rounded, pack_columns_rounded, 1, rounded);
format!(pack_rows_bf16, pack_columns_bf16, 2, pairs);

#[inline]
#[target_feature(enable = "avx2")]
fn bits([values]: [__m256; 1]) -> __m256i {
    _mm256_castps_si256(values)
}

/// Rounded to bf16, the nearest and of two the even one, as bits of f32, of which the lower 16 are
/// zero. NaN stays NaN, with its upper bits.
#[inline]
#[target_feature(enable = "avx2")]
fn rounded([values]: [__m256; 1]) -> __m256i {
    let bits = _mm256_castps_si256(values);
    let even = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
    let half = _mm256_add_epi32(even, _mm256_set1_epi32(0x7fff));
    let nearest = _mm256_add_epi32(bits, half);
    let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x0040_0000));
    let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(values, values));
    let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
    _mm256_and_si256(upper, _mm256_blendv_epi8(nearest, quiet, nan))
}

/// Two neighbours along k in a word, rounded to bf16, the earlier one in its lower half.
#[inline]
#[target_feature(enable = "avx2")]
fn pairs([earlier, later]: [__m256; 2]) -> __m256i {
    let earlier = _mm256_srli_epi32::<16>(rounded([earlier]));
    _mm256_or_si256(earlier, rounded([later]))
}

/// Vectors of every `PER_WORD`th of these neighbours along k.
#[inline]
#[target_feature(enable = "avx2")]
fn in_turn<const PER_WORD: usize, const COUNT: usize>(values: &[f32; COUNT]) -> [__m256; PER_WORD] {
    let mut vectors = [_mm256_setzero_ps(); PER_WORD];
    for (vector, values) in vectors.iter_mut().zip(values.as_chunks().0) {
        *vector = load(values);
    }
    if let [first, second] = vectors.as_mut_slice() {
        let even = _mm256_shuffle_ps::<0b10_00_10_00>(*first, *second);
        let odd = _mm256_shuffle_ps::<0b11_01_11_01>(*first, *second);
        // The shuffle works in halves of 128 bits: pairs come out in the order 0, 2, 1, 3.
        let ordered = |pairs| {
            let pairs = _mm256_castps_pd(pairs);
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(pairs))
        };
        (*first, *second) = (ordered(even), ordered(odd));
    }
    vectors
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &[f32; 8]) -> __m256 {
    // SAFETY: 32 bytes.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn in_memory(words: __m256i) -> [u32; 8] {
    let mut memory = [0; 8];
    // SAFETY: 32 bytes.
    unsafe { _mm256_storeu_si256(memory.as_mut_ptr().cast(), words) };
    memory
}

/// Writes words `8 · eight..` of a step, whose last eight may be cut short.
#[inline(always)]
fn write<const WIDTH: usize>(step: &mut [u32; WIDTH], eight: usize, words: [u32; 8]) {
    match step[8 * eight..].first_chunk_mut() {
        Some(whole) => *whole = words,
        None => {
            let rest = &mut step[WIDTH / 8 * 8..];
            rest.copy_from_slice(&words[..WIDTH % 8]);
        }
    }
}

/// Transposes 8 × 8 words: first inside each 128-bit half, then the halves.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: [__m256i; 8]) -> [[u32; 8]; 8] {
    // Closures would not be inlined into a function with instructions of its own.
    // quads[group][c]: in half h, words (rows 4 group.., column 4 h + c).
    let mut quads = [[_mm256_setzero_si256(); 4]; 2];
    for (quads, rows) in quads.iter_mut().zip(rows.as_chunks::<4>().0) {
        let [a, b, c, d] = *rows;
        let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        *quads = [
            _mm256_unpacklo_epi64(ab_low, cd_low),
            _mm256_unpackhi_epi64(ab_low, cd_low),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ];
    }
    let mut columns = [[0; 8]; 8];
    for column in 0..4 {
        let (top, bottom) = (quads[0][column], quads[1][column]);
        columns[column] = in_memory(_mm256_permute2x128_si256::<0x20>(top, bottom));
        columns[column + 4] = in_memory(_mm256_permute2x128_si256::<0x31>(top, bottom));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::super::{Kernel, TALL, WIDE};
    use super::*;
    use crate::Factors;
    use crate::cpu::gemm::fallback;
    use crate::cpu::gemm::kernel::Side;

    /// Ties, NaN with and without bits in its upper half, infinities, the largest and the smallest,
    /// and ordinary numbers between them.
    fn values(count: usize) -> Vec<f32> {
        let special = [
            0x3f80_8000,
            0x3f81_8000,
            0x3f80_8001,
            0x7fc0_0001,
            0x7f80_0001,
            0xffff_ffff,
            0x7f80_0000,
            0xff80_0000,
            0x7f7f_ffff,
            0x0000_0001,
            0x8000_8000,
            0x8000_0000,
        ];
        let word = |index: usize| match index % 3 {
            0 => special[index / 3 % special.len()],
            _ => (index as u32).wrapping_mul(0x9e37_79b9),
        };
        (0..count)
            .map(|index| f32::from_bits(word(index)))
            .collect()
    }

    #[test]
    fn panels_hold_the_elements_rounded_as_everywhere_else() {
        for precision in [Factors::F32, Factors::Bf16] {
            let Some(kernel) = Kernel::for_precision(precision) else {
                return;
            };
            for (side, width) in [(Side::Left, TALL), (Side::Right, WIDE)] {
                for (rows, depth) in [(width, 32), (width, 37), (width - 1, 5), (1, 1)] {
                    let data = values(rows * depth);
                    for transposed in [false, true] {
                        let source = match transposed {
                            false => Matrix::dense(&data, rows, depth),
                            true => Matrix::dense(&data, depth, rows).transposed(),
                        };
                        let per_word = match (precision, side) {
                            (Factors::Bf16, Side::Right) => 2,
                            _ => 1,
                        };
                        let padded = depth.next_multiple_of(match precision {
                            Factors::F32 => 1,
                            Factors::Bf16 => 2,
                        });
                        let mut words = vec![!0; padded / per_word * width];
                        kernel.pack_panel(side, source, 0, &mut words);
                        for (index, word) in words.iter().enumerate() {
                            let (step, row) = (index / width, index % width);
                            let bits = |k: usize| {
                                let present = row < rows && k < depth;
                                let index = row * source.row_stride + k * source.column_stride;
                                let value = if present { data[index] } else { 0.0 };
                                fallback::rounded(value, precision).to_bits()
                            };
                            let expected = match per_word {
                                1 => bits(step),
                                _ => bits(2 * step) >> 16 | bits(2 * step + 1),
                            };
                            let at = (side, rows, depth, transposed, step, row);
                            assert_eq!(*word, expected, "{precision:?} {at:?}");
                        }
                    }
                }
            }
        }
    }
}
