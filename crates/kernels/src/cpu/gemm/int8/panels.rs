//! int8 factors in panels for a register tile.
//!
//! A step is four neighbours along k. A right panel holds a word of four bytes for each column and
//! step; what a left panel holds is up to the kernel.

use std::ops::Range;

use super::super::super::buffer::Buffer;
use super::super::super::parallel::{for_each_item, is_worth_threads};
use super::super::super::simd::Level;
use super::super::{Finish, Matrix, MatrixMut, Output, Threads, for_each_part};
use super::{avx2, quantise, vnni};

/// The multiplying instruction; a value exists only on CPUs that have it.
#[derive(Debug, Clone, Copy)]
pub struct Kernel(Instruction);

#[derive(Debug, Clone, Copy)]
enum Instruction {
    Vnni,
    Avx2,
}

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
    pub words: &'a [u32],
    /// One for each row.
    pub scales: &'a [f32],
}

/// Data of the columns of a right panel, one value for each.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    pub scales: &'a [f32],
    /// What a kernel whose left factors are unsigned has too much in each sum.
    pub offsets: &'a [i32],
    pub bias: &'a [f32],
    /// How many of them exist.
    pub present: usize,
}

/// Where a tile of the result lies.
#[derive(Clone, Copy)]
pub struct Tile {
    pub c: *mut f32,
    pub row_stride: usize,
}

/// Steps of `depth` elements along k.
pub fn steps(depth: usize) -> usize {
    depth.div_ceil(4)
}

impl Kernel {
    /// The fastest kernel that the CPU supports.
    pub fn detect() -> Option<Self> {
        let level = Level::current();
        if level >= Level::Avx512 && vnni::is_supported() {
            Some(Self(Instruction::Vnni))
        } else {
            (level >= Level::Avx2).then_some(Self(Instruction::Avx2))
        }
    }

    /// Rows of a left panel.
    fn tall(self) -> usize {
        match self.0 {
            Instruction::Vnni => vnni::TALL,
            Instruction::Avx2 => avx2::TALL,
        }
    }

    /// Columns of a right panel.
    fn wide(self) -> usize {
        match self.0 {
            Instruction::Vnni => vnni::WIDE,
            Instruction::Avx2 => avx2::WIDE,
        }
    }

    /// Words of a left panel in one step.
    fn left_step(self) -> usize {
        match self.0 {
            Instruction::Vnni => vnni::TALL,
            Instruction::Avx2 => 2 * avx2::TALL,
        }
    }

    /// Rounds and packs the rows of `a`; returns the panels and the scale of each row.
    pub fn pack_left(self, a: Matrix<'_>, threads: Threads) -> (Buffer<u32>, Vec<f32>) {
        let tall = self.tall();
        let panel_words = self.left_step() * steps(a.columns);
        let count = a.rows.div_ceil(tall);
        let mut words = Buffer::take(count * panel_words);
        let mut scales = vec![0.0; count * tall];
        let pack = |(panel, (words, scales)): (usize, (&mut [u32], &mut [f32]))| {
            if a.rows < (panel + 1) * tall {
                words.fill(0);
            }
            let rows = panel * tall..a.rows.min((panel + 1) * tall);
            for (place, (row, scale)) in rows.zip(scales).enumerate() {
                // SAFETY: `Kernel` vouches for the instructions; the panel has its words for each
                // of the rows and steps.
                *scale = unsafe {
                    match self.0 {
                        Instruction::Vnni => vnni::pack_row(a.row(row), place, words),
                        Instruction::Avx2 => avx2::pack_row(a.row(row), place, words),
                    }
                };
            }
        };
        let panels = words.chunks_mut(panel_words.max(1));
        let panels = panels.zip(scales.chunks_mut(tall)).enumerate();
        if threads == Threads::One || !is_worth_threads(a.rows * a.columns * 8) {
            panels.for_each(pack);
        } else {
            for_each_item(panels, pack);
        }
        scales.truncate(a.rows);
        (words, scales)
    }
}

impl Panels {
    /// Rounds and packs the rows of `weight` [n, k] as columns; also returns the scale of each.
    pub fn pack(kernel: Kernel, weight: Matrix<'_>) -> (Self, Vec<f32>) {
        let (columns, depth) = (weight.rows, weight.columns);
        let (steps, wide) = (steps(depth), kernel.wide());
        let panels = columns.div_ceil(wide);
        let mut words = vec![0; panels * wide * steps];
        let mut scales = vec![0.0; panels * wide];
        let mut offsets = vec![0; panels * wide];
        let panels = words.chunks_mut((wide * steps).max(1));
        let panels = panels.zip(scales.chunks_mut(wide).zip(offsets.chunks_mut(wide)));
        for_each_item(panels.enumerate(), |(panel, (words, (scales, offsets)))| {
            let mut numbers = vec![0_i8; steps * 4];
            for column in 0..wide.min(columns - panel * wide) {
                scales[column] = quantise(weight.row(panel * wide + column), &mut numbers);
                offsets[column] = 128 * numbers.iter().map(|&n| i32::from(n)).sum::<i32>();
                let (quads, _) = numbers.as_chunks::<4>();
                for (step, quad) in quads.iter().enumerate() {
                    words[step * wide + column] = u32::from_le_bytes(quad.map(|n| n as u8));
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
        let wide = self.kernel.wide();
        let panel = index / wide * wide * steps(self.depth);
        let words = self.words[panel + index % wide..].iter().step_by(wide);
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
        let (tall, wide) = (self.kernel.tall(), self.kernel.wide());
        let panel_words = self.kernel.left_step() * steps;
        let output = Output {
            data: c.start,
            row_stride: c.row_stride,
        };
        let (left_panels, right_panels) = (rows.div_ceil(tall), columns.div_ceil(wide));
        let run = |left_range: Range<usize>, right_range: Range<usize>| {
            let Output { data, row_stride } = { output };
            let mut bias = vec![0.0; wide];
            for right in right_range {
                let column = right * wide;
                let present = wide.min(columns - column);
                let first = range.start + column;
                if let Some(values) = finish.bias {
                    bias[..present].copy_from_slice(&values[column..column + present]);
                }
                let words = &self.words[first * steps..][..wide * steps];
                let columns = Columns {
                    scales: &scales[first..first + wide],
                    offsets: &self.offsets[first..first + wide],
                    bias: &bias,
                    present,
                };
                for panel in left_range.clone() {
                    let row = panel * tall;
                    let height = tall.min(rows - row);
                    let left_words = &left.words[panel * panel_words..][..panel_words];
                    let row_scales = &left.scales[row..row + height];
                    // SAFETY: `Kernel` vouches for the instructions; the panels hold `steps`
                    // steps and the columns' values a panel's width each (slices above); the tile
                    // at (row, column), cut to `height` and `present`, lies inside `c`, and tasks
                    // get disjoint ones.
                    unsafe {
                        let c = data.add(row * row_stride + column);
                        let to = Tile { c, row_stride };
                        let tile = match self.kernel.0 {
                            Instruction::Vnni => vnni::tile,
                            Instruction::Avx2 => avx2::tile,
                        };
                        tile(steps, left_words, words, row_scales, columns, to, finish);
                    }
                }
            }
        };
        let work = rows * columns * self.depth / 4;
        for_each_part(left_panels, tall, right_panels, work, threads, run);
    }
}
