//! int8 products by VPDPBUSD: 14 rows × 32 columns in 28 of 32 registers.
//!
//! A packed step is one 32-bit word for each row of a panel: four neighbours along k. The
//! instruction takes unsigned left factors, so they are stored with 128 added, and 128 times the
//! sum of a column's weights is subtracted at the end.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;
use std::ops::Range;

use super::super::super::buffer::Buffer;
use super::super::super::parallel::{for_each_item, is_worth_threads};
use super::super::{Finish, Matrix, MatrixMut, Output, Threads, Update, for_each_part};
use super::{quantise, scale_of};

const TALL: usize = 14;
const WIDE: usize = 32;

/// A value exists only on CPUs that have the instruction.
#[derive(Debug, Clone, Copy)]
pub struct Kernel(());

/// A packed right factor.
#[derive(Debug)]
pub struct Panels {
    kernel: Kernel,
    words: Vec<u32>,
    /// 128 times the sum of each column.
    offsets: Vec<i32>,
    depth: usize,
}

/// A packed left factor.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    /// Panels of 14 rows.
    pub words: &'a [u32],
    /// One for each row.
    pub scales: &'a [f32],
}

fn steps(depth: usize) -> usize {
    depth.div_ceil(4)
}

impl Kernel {
    /// The kernel, if the CPU supports it.
    pub fn detect() -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        there.then_some(Self(()))
    }

    /// Rounds and packs the rows of `a`; returns the panels and the scale of each row.
    pub fn pack_left(self, a: Matrix<'_>, threads: Threads) -> (Buffer<u32>, Vec<f32>) {
        let steps = steps(a.columns);
        let panels = a.rows.div_ceil(TALL);
        let mut words = Buffer::take(panels * TALL * steps);
        let mut scales = vec![0.0; panels * TALL];
        let panel_words = (TALL * steps).max(1);
        let pack = |panel: usize, words: &mut [u32], scales: &mut [f32]| {
            for (row, scale) in scales.iter_mut().enumerate() {
                let index = panel * TALL + row;
                if index < a.rows {
                    assert_eq!(words.len(), panel_words);
                    // SAFETY: `Kernel` vouches for the instructions; the panel has a word of each
                    // of its 14 rows for each step (asserted).
                    *scale = unsafe { pack_row(a.row(index), words.as_mut_ptr().add(row)) };
                } else {
                    words[row..]
                        .iter_mut()
                        .step_by(TALL)
                        .for_each(|word| *word = 0);
                }
            }
        };
        if threads == Threads::One || !is_worth_threads(a.rows * a.columns * 8) {
            let panels = words.chunks_mut(panel_words).zip(scales.chunks_mut(TALL));
            for (panel, (words, scales)) in panels.enumerate() {
                pack(panel, words, scales);
            }
        } else {
            let panels = words.chunks_mut(panel_words).zip(scales.chunks_mut(TALL));
            for_each_item(panels.enumerate(), |(panel, (words, scales))| {
                pack(panel, words, scales);
            });
        }
        scales.truncate(a.rows);
        (words, scales)
    }
}

/// Rounds a row and writes its words 14 apart; returns its scale.
///
/// # Safety
/// The processor has AVX-512, and `to` reaches a word for each four values.
#[target_feature(enable = "avx512f,avx512bw,avx2")]
unsafe fn pack_row(values: &[f32], to: *mut u32) -> f32 {
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
            // SAFETY: there is a word for each step (caller).
            unsafe { to.add((4 * index + step) * TALL).write(word as u32) };
        }
    }
    scale
}

impl Panels {
    /// Rounds and packs the rows of `weight` [n, k] as columns; also returns the scale of each.
    pub fn pack(kernel: Kernel, weight: Matrix<'_>) -> (Self, Vec<f32>) {
        let (columns, depth) = (weight.rows, weight.columns);
        let steps = steps(depth);
        let panels = columns.div_ceil(WIDE);
        let mut words = vec![0; panels * WIDE * steps];
        let mut scales = vec![0.0; panels * WIDE];
        let mut offsets = vec![0; panels * WIDE];
        let panels = words.chunks_mut((WIDE * steps).max(1));
        let panels = panels.zip(scales.chunks_mut(WIDE).zip(offsets.chunks_mut(WIDE)));
        for_each_item(panels.enumerate(), |(panel, (words, (scales, offsets)))| {
            let mut numbers = vec![0_i8; steps * 4];
            for column in 0..WIDE.min(columns - panel * WIDE) {
                scales[column] = quantise(weight.row(panel * WIDE + column), &mut numbers);
                offsets[column] = 128 * numbers.iter().map(|&n| i32::from(n)).sum::<i32>();
                let (quads, _) = numbers.as_chunks::<4>();
                for (step, quad) in quads.iter().enumerate() {
                    words[step * WIDE + column] = u32::from_le_bytes(quad.map(|n| n as u8));
                }
            }
        });
        let packed = Self {
            kernel,
            words,
            offsets,
            depth,
        };
        (packed, scales)
    }

    /// The kernel that packs left factors for these panels.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Column `index`, times `scale`.
    pub fn column(&self, index: usize, scale: f32, values: &mut [f32]) {
        let panel = index / WIDE * WIDE * steps(self.depth);
        let words = self.words[panel + index % WIDE..].iter().step_by(WIDE);
        for (values, word) in values.chunks_mut(4).zip(words) {
            for (value, byte) in values.iter_mut().zip(word.to_le_bytes()) {
                *value = f32::from(byte as i8) * scale;
            }
        }
    }

    /// `left` by columns `range`, which begins with a panel; `scales` are those of all columns.
    pub fn multiply(
        &self,
        left: Left<'_>,
        scales: &[f32],
        range: Range<usize>,
        c: MatrixMut<'_>,
        finish: Finish<'_>,
        threads: Threads,
    ) {
        let (rows, columns) = (c.rows, c.columns);
        if rows == 0 || columns == 0 {
            return;
        }
        let steps = steps(self.depth);
        let output = Output {
            data: c.start,
            row_stride: c.row_stride,
        };
        let (left_panels, right_panels) = (rows.div_ceil(TALL), columns.div_ceil(WIDE));
        let run = |left_range: Range<usize>, right_range: Range<usize>| {
            let Output { data, row_stride } = { output };
            for right in right_range {
                let column = right * WIDE;
                let present = WIDE.min(columns - column);
                let first = range.start + column;
                let mut bias = [0.0; WIDE];
                if let Some(values) = finish.bias {
                    bias[..present].copy_from_slice(&values[column..column + present]);
                }
                let words = &self.words[first * steps..][..WIDE * steps];
                let columns = Columns {
                    scales: scales[first..first + WIDE].as_ptr(),
                    offsets: self.offsets[first..first + WIDE].as_ptr(),
                    bias: bias.as_ptr(),
                    mask: u32::MAX >> (WIDE - present),
                };
                for panel in left_range.clone() {
                    let row = panel * TALL;
                    let height = TALL.min(rows - row);
                    let left_words = &left.words[panel * TALL * steps..][..TALL * steps];
                    let row_scales = &left.scales[row..row + height];
                    // SAFETY: `Kernel` vouches for the instructions; the panels hold `steps`
                    // steps and the columns' values 32 each (slices above); the tile at (row,
                    // column), cut to `height` and the mask, lies inside `c`, and tasks get
                    // disjoint ones.
                    unsafe {
                        let c = data.add(row * row_stride + column);
                        let to = Tile { c, row_stride };
                        tile(steps, left_words, words, row_scales, columns, to, finish);
                    }
                }
            }
        };
        let work = rows * columns * self.depth / 4;
        for_each_part(left_panels, TALL, right_panels, work, threads, run);
    }
}

/// Data of the 32 columns of a panel; each pointer reaches 32 values.
#[derive(Clone, Copy)]
struct Columns {
    scales: *const f32,
    offsets: *const i32,
    bias: *const f32,
    /// One bit for each existing column.
    mask: u32,
}

#[derive(Clone, Copy)]
struct Tile {
    c: *mut f32,
    row_stride: usize,
}

/// # Safety
/// The processor has the instructions, and the pointers reach what the tile needs.
unsafe fn tile(
    steps: usize,
    left: &[u32],
    right: &[u32],
    row_scales: &[f32],
    columns: Columns,
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
    columns: Columns,
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
    #[expect(
        clippy::needless_range_loop,
        reason = "a half is a place in the columns and in the tile too"
    )]
    for half in 0..2 {
        let mask = (columns.mask >> (16 * half)) as __mmask16;
        // SAFETY: 32 values each (caller).
        let (scales, offsets, bias) = unsafe {
            (
                _mm512_loadu_ps(columns.scales.add(16 * half)),
                _mm512_loadu_si512(columns.offsets.add(16 * half).cast()),
                _mm512_loadu_ps(columns.bias.add(16 * half)),
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
