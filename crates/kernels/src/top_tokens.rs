//! The most probable next tokens of a hidden state, without keeping the logits of all others in
//! memory.

use burn::Tensor;

use crate::PackedLinear;
use crate::cpu::gemm::{Left, Matrix, MatrixMut, PANEL, PackedMatrix, Threads};
use crate::cpu::parallel::for_each_item;
use crate::cpu::parallel::for_each_simd;
use crate::cpu::vector::{exp_sum, max};
use crate::flex::{dims, plain, primitive, values};
use crate::packed::finish_of;
use crate::pool::Values;

/// Result of an output layer for one hidden state.
#[derive(Debug, Clone, PartialEq)]
pub struct TopTokens {
    /// Logarithm of the sum of e^logit over all tokens: a logit minus this is a log-probability.
    pub log_sum: f32,
    /// The largest logits among tokens not set apart, in descending order; equal ones by id.
    pub best: Vec<(u32, f32)>,
    /// The logits of the tokens set apart, in their order.
    pub apart: Vec<f32>,
}

/// For each row of `hidden` [T, C]: the `count` largest logits of `layer` [V, C], and the
/// denominator of the softmax. The tokens `apart[row]` (ascending, below V) do not compete; their
/// logits are returned separately.
///
/// # Panics
/// If `apart` does not have one list per row.
pub fn top_tokens(
    layer: &PackedLinear,
    hidden: Tensor<2>,
    count: usize,
    apart: &[Vec<u32>],
) -> Vec<TopTokens> {
    let Some((weight, bias)) = layer.host() else {
        return top_of_logits(layer.forward(hidden), count, apart);
    };
    let hidden = primitive(plain(hidden));
    let [rows, width] = dims(&hidden);
    assert_eq!(rows, apart.len(), "a list of tokens apart for each row");
    let hidden = Matrix::dense(values(&hidden), rows, width);
    let left = weight.prepare(hidden, Threads::All);
    let projection = Projection {
        weight,
        bias,
        left: &left,
        rows,
        count,
        apart,
    };
    // A few ranges of columns per thread, so that threads finish together.
    let columns = weight.columns();
    let runs = 4 * rayon::current_num_threads();
    let run = columns.div_ceil(runs).next_multiple_of(CHUNK).max(CHUNK);
    let of_run = |index: usize| projection.run(index * run, columns.min((index + 1) * run));
    let mut parts = vec![Vec::new(); columns.div_ceil(run)];
    for_each_item(parts.iter_mut().enumerate(), |(index, part)| {
        *part = of_run(index)
    });
    let mut merged = vec![Partial::default(); rows];
    for part in parts {
        for (row, part) in merged.iter_mut().zip(part) {
            row.merge(part, count);
        }
    }
    merged.into_iter().map(Partial::finish).collect()
}

/// [`top_tokens`] for logits [T, V] that are already computed; the portable form.
///
/// # Panics
/// If `apart` does not have one list per row.
pub fn top_of_logits(logits: Tensor<2>, count: usize, apart: &[Vec<u32>]) -> Vec<TopTokens> {
    let [rows, columns] = logits.dims();
    assert_eq!(rows, apart.len(), "a list of tokens apart for each row");
    let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
    logits
        .chunks_exact(columns.max(1))
        .zip(apart)
        .map(|(row, apart)| {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|&x| f64::from(x - largest).exp()).sum();
            let mut best: Vec<(u32, f32)> = (0..columns as u32)
                .filter(|id| apart.binary_search(id).is_err())
                .map(|id| (id, row[id as usize]))
                .collect();
            best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            best.truncate(count);
            TopTokens {
                log_sum: largest + sum.ln() as f32,
                best,
                apart: apart.iter().map(|&id| row[id as usize]).collect(),
            }
        })
        .collect()
}

/// Columns whose logits are in memory at once, per thread.
const CHUNK: usize = 32 * PANEL;

struct Projection<'a> {
    weight: &'a PackedMatrix,
    bias: Option<&'a [f32]>,
    left: &'a Left<'a>,
    rows: usize,
    count: usize,
    apart: &'a [Vec<u32>],
}

/// State of a row after some of its columns.
#[derive(Debug, Clone)]
struct Partial {
    largest: f32,
    /// Of e^(logit - largest).
    sum: f32,
    best: Vec<(u32, f32)>,
    apart: Vec<f32>,
}

impl Default for Partial {
    fn default() -> Self {
        Self {
            largest: f32::NEG_INFINITY,
            sum: 0.0,
            best: Vec::new(),
            apart: Vec::new(),
        }
    }
}

impl Projection<'_> {
    /// Columns `first..last`, chunk by chunk.
    fn run(&self, first: usize, last: usize) -> Vec<Partial> {
        let mut partials = vec![Partial::default(); self.rows];
        let mut logits = Values::take(self.rows * CHUNK);
        for start in (first..last).step_by(CHUNK) {
            let range = start..last.min(start + CHUNK);
            let width = range.len();
            let c = MatrixMut::dense(&mut logits, self.rows, width);
            let finish = finish_of(self.bias, range.clone());
            self.weight
                .multiply_columns(self.left, range.clone(), c, finish, Threads::One);
            let rows = logits.chunks_exact_mut(width).zip(self.apart);
            for ((row, apart), partial) in rows.zip(&mut partials) {
                partial.add(row, start as u32, apart, self.count);
            }
        }
        partials
    }
}

impl Partial {
    /// Adds the logits of the tokens from `first` on, overwriting them.
    fn add(&mut self, logits: &mut [f32], first: u32, apart: &[u32], count: usize) {
        let end = first + logits.len() as u32;
        let inside = apart.partition_point(|&id| id < first)..apart.partition_point(|&id| id < end);
        let largest = largest_of(logits);
        if largest > self.largest {
            self.sum *= (self.largest - largest).exp();
            self.largest = largest;
        }
        for &id in &apart[inside] {
            let logit = &mut logits[(id - first) as usize];
            self.apart.push(*logit);
            self.sum += (*logit - self.largest).exp();
            *logit = f32::NEG_INFINITY;
        }
        self.collect_best(logits, first, count);
        self.sum += exponentials(logits, self.largest);
    }

    fn collect_best(&mut self, logits: &[f32], first: u32, count: usize) {
        /// Logits checked together: most blocks contain none that matters.
        const BLOCK: usize = 128;
        for (block, values) in logits.chunks(BLOCK).enumerate() {
            if largest_of(values) <= self.threshold(count) {
                continue;
            }
            for (index, &logit) in values.iter().enumerate() {
                if logit > self.threshold(count) {
                    let id = first + (block * BLOCK + index) as u32;
                    let place = self.best.partition_point(|&(_, other)| other >= logit);
                    self.best.insert(place, (id, logit));
                    self.best.truncate(count);
                }
            }
        }
    }

    /// The value that a logit must exceed to be among the best.
    fn threshold(&self, count: usize) -> f32 {
        if self.best.len() < count {
            f32::NEG_INFINITY
        } else {
            self.best.last().map_or(f32::INFINITY, |&(_, logit)| logit)
        }
    }

    /// Merges the state of later columns.
    fn merge(&mut self, later: Self, count: usize) {
        let largest = self.largest.max(later.largest);
        let scaled = |part: &Self| match part.sum {
            0.0 => 0.0,
            sum => sum * (part.largest - largest).exp(),
        };
        self.sum = scaled(self) + scaled(&later);
        self.largest = largest;
        self.apart.extend(later.apart);
        self.best.extend(later.best);
        // Stable: of equal logits, the earlier column stays first.
        self.best.sort_by(|a, b| b.1.total_cmp(&a.1));
        self.best.truncate(count);
    }

    fn finish(self) -> TopTokens {
        TopTokens {
            log_sum: self.largest + self.sum.ln(),
            best: self.best,
            apart: self.apart,
        }
    }
}

for_each_simd! {
    fn largest_of(values: &[f32]) -> f32 {
        max(values)
    }
}

for_each_simd! {
    /// Sum of e^(value - shift); the values are overwritten.
    fn exponentials(values: &mut [f32], shift: f32) -> f32 {
        exp_sum(values, 1.0, shift)
    }
}
