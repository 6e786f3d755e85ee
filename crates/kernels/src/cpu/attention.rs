//! Attention of one head within one segment, one block of queries at a time. Scores live in scratch
//! memory of at most [`QUERIES`] rows and are recomputed for the backward pass (FlashAttention, Dao
//! et al. 2022).

use std::ops::Range;

use super::buffer::Buffer;
use super::gemm::{Matrix, MatrixMut, Threads, Update, gemm};
use super::parallel::for_each_simd;
use super::vector::{add_scaled, dot, exp_sum, max};
use crate::Factors;
use crate::sight::Sight;

/// Queries that share one block of scores.
const QUERIES: usize = 112;

/// Common parameters of the heads of a call.
#[derive(Debug, Clone, Copy)]
pub struct Scoring {
    /// Multiplies the dot products.
    pub scale: f32,
    /// The keys that a query sees.
    pub sight: Sight,
    /// Number format of the products.
    pub precision: Factors,
}

impl Scoring {
    /// The keys that at least one query of a block sees, out of `keys`.
    fn seen(self, block: &Range<usize>, queries: usize, keys: usize) -> Range<usize> {
        let visible = |query| self.sight.visible(query, queries, keys);
        visible(block.start).start..visible(block.end - 1).end
    }
}

/// One head: `q` [n, D], `k` and `v` [m, D] → `output` [n, D], and for each query the logarithm of
/// its softmax denominator.
pub fn forward(
    q: Matrix<'_>,
    k: Matrix<'_>,
    v: Matrix<'_>,
    scoring: Scoring,
    mut output: MatrixMut<'_>,
    mut log_sums: Option<&mut [f32]>,
) {
    let (queries, keys) = (q.rows(), k.rows());
    if queries == 1 {
        let seen = scoring.sight.visible(0, queries, keys);
        let (k, v) = (k.slice_rows(seen.clone()), v.slice_rows(seen));
        let log_sum = one_query(q.row(0), k, v, scoring.scale, output.row_mut(0));
        if let Some(log_sums) = log_sums {
            log_sums[0] = log_sum;
        }
        return;
    }
    for start in (0..queries).step_by(QUERIES) {
        let block = start..queries.min(start + QUERIES);
        let seen = scoring.seen(&block, queries, keys);
        let mut scores = Buffer::take(block.len() * seen.len());
        let product = MatrixMut::dense(&mut scores, block.len(), seen.len());
        let block_keys = k.slice_rows(seen.clone()).transposed();
        let block_queries = q.slice_rows(block.clone());
        multiply(
            block_queries,
            block_keys,
            product,
            Update::Overwrite,
            scoring,
        );
        for (row, query) in scores.chunks_exact_mut(seen.len()).zip(block.clone()) {
            let visible = scoring.sight.visible(query, queries, keys);
            let visible = visible.start - seen.start..visible.end - seen.start;
            let log_sum = softmax(row, visible, scoring.scale);
            if let Some(log_sums) = &mut log_sums {
                log_sums[query] = log_sum;
            }
        }
        let weights = Matrix::dense(&scores, block.len(), seen.len());
        let rows = output.rows_mut(block);
        multiply(
            weights,
            v.slice_rows(seen),
            rows,
            Update::Overwrite,
            scoring,
        );
    }
}

/// Inputs of the backward pass of one head.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// Queries [n, D].
    pub q: Matrix<'a>,
    /// Keys [m, D], m ≥ n: the last n are those of the queries' own tokens.
    pub k: Matrix<'a>,
    /// Values [m, D].
    pub v: Matrix<'a>,
    /// Output of the forward pass [n, D].
    pub output: Matrix<'a>,
    /// Logarithms of the softmax denominators, n.
    pub log_sums: &'a [f32],
}

/// Gradients of one head: `dq` [n, D] is overwritten, `dk` and `dv` [m, D] are added to.
pub fn backward(
    saved: Saved<'_>,
    dy: Matrix<'_>,
    scoring: Scoring,
    mut dq: MatrixMut<'_>,
    mut dk: MatrixMut<'_>,
    mut dv: MatrixMut<'_>,
) {
    let (queries, keys) = (saved.q.rows(), saved.k.rows());
    for start in (0..queries).step_by(QUERIES) {
        let block = start..queries.min(start + QUERIES);
        let seen = scoring.seen(&block, queries, keys);
        let (q, dy) = (
            saved.q.slice_rows(block.clone()),
            dy.slice_rows(block.clone()),
        );
        let (k, v) = (
            saved.k.slice_rows(seen.clone()),
            saved.v.slice_rows(seen.clone()),
        );

        let mut weights = Buffer::take(block.len() * seen.len());
        let product = MatrixMut::dense(&mut weights, block.len(), seen.len());
        multiply(q, k.transposed(), product, Update::Overwrite, scoring);
        let mut slopes = Buffer::take(block.len() * seen.len());
        let product = MatrixMut::dense(&mut slopes, block.len(), seen.len());
        multiply(dy, v.transposed(), product, Update::Overwrite, scoring);

        let rows = weights
            .chunks_exact_mut(seen.len())
            .zip(slopes.chunks_exact_mut(seen.len()));
        for (index, (weights, slopes)) in rows.enumerate() {
            let query = block.start + index;
            let visible = scoring.sight.visible(query, queries, keys);
            let visible = visible.start - seen.start..visible.end - seen.start;
            let (dy, output) = (dy.row(index), saved.output.row(query));
            let log_sum = saved.log_sums[query];
            softmax_backward(weights, slopes, visible, scoring.scale, log_sum, dy, output);
        }

        let weights = Matrix::dense(&weights, block.len(), seen.len());
        let slopes = Matrix::dense(&slopes, block.len(), seen.len());
        multiply(
            weights.transposed(),
            dy,
            dv.rows_mut(seen.clone()),
            Update::Add,
            scoring,
        );
        multiply(
            slopes.transposed(),
            q,
            dk.rows_mut(seen),
            Update::Add,
            scoring,
        );
        multiply(slopes, k, dq.rows_mut(block), Update::Overwrite, scoring);
    }
}

fn multiply(a: Matrix<'_>, b: Matrix<'_>, c: MatrixMut<'_>, update: Update, scoring: Scoring) {
    gemm(a, b, c, update, scoring.precision, Threads::One);
}

/// One query, as in decoding: reads keys and values once, where they lie.
pub fn one_query(q: &[f32], k: Matrix<'_>, v: Matrix<'_>, scale: f32, output: &mut [f32]) -> f32 {
    let mut scores = Buffer::take(k.rows());
    score(q, k, &mut scores);
    let visible = 0..scores.len();
    let log_sum = softmax(&mut scores, visible, scale);
    mix(&scores, v, output);
    log_sum
}

/// One query of a beam: its keys and values are the rows of `path`, then row `own`.
pub fn query_of_path(
    q: &[f32],
    k: Matrix<'_>,
    v: Matrix<'_>,
    path: &[u32],
    own: u32,
    scale: f32,
    output: &mut [f32],
) {
    let mut scores = Buffer::take(path.len() + 1);
    score_path(q, k, path, own, &mut scores);
    let visible = 0..scores.len();
    softmax(&mut scores, visible, scale);
    mix_path(&scores, v, path, own, output);
}

for_each_simd! {
    fn score_path(q: &[f32], k: Matrix<'_>, path: &[u32], own: u32, scores: &mut [f32]) {
        for (score, &row) in scores.iter_mut().zip(path.iter().chain([&own])) {
            *score = dot(q, k.row(row as usize));
        }
    }
}

for_each_simd! {
    fn mix_path(weights: &[f32], v: Matrix<'_>, path: &[u32], own: u32, output: &mut [f32]) {
        output.fill(0.0);
        for (weight, &row) in weights.iter().zip(path.iter().chain([&own])) {
            add_scaled(output, *weight, v.row(row as usize));
        }
    }
}

for_each_simd! {
    fn score(q: &[f32], k: Matrix<'_>, scores: &mut [f32]) {
        for (index, score) in scores.iter_mut().enumerate() {
            *score = dot(q, k.row(index));
        }
    }
}

for_each_simd! {
    fn mix(weights: &[f32], v: Matrix<'_>, output: &mut [f32]) {
        output.fill(0.0);
        for (index, weight) in weights.iter().enumerate() {
            add_scaled(output, *weight, v.row(index));
        }
    }
}

/// The values in `range`; those outside are set to zero.
#[inline(always)]
fn only(values: &mut [f32], range: Range<usize>) -> &mut [f32] {
    values[range.end..].fill(0.0);
    values[..range.start].fill(0.0);
    &mut values[range]
}

for_each_simd! {
    /// Softmax of the `visible` scores times `scale`, with zeros outside; returns the logarithm of
    /// the denominator.
    fn softmax(scores: &mut [f32], visible: Range<usize>, scale: f32) -> f32 {
        let scores = only(scores, visible);
        let largest = max(scores) * scale;
        let sum = exp_sum(scores, scale, largest);
        let factor = 1.0 / sum;
        for score in scores {
            *score *= factor;
        }
        largest + sum.ln()
    }
}

for_each_simd! {
    /// Turns scores into softmax weights w, and slopes dL/dw into dL/dscore.
    fn softmax_backward(
        weights: &mut [f32],
        slopes: &mut [f32],
        visible: Range<usize>,
        scale: f32,
        log_sum: f32,
        dy: &[f32],
        output: &[f32],
    ) {
        let weights = only(weights, visible.clone());
        let slopes = only(slopes, visible);
        exp_sum(weights, scale, log_sum);
        // Σ w · dL/dw is dy · output.
        let mean = dot(dy, output);
        for (slope, weight) in slopes.iter_mut().zip(weights) {
            *slope = *weight * (*slope - mean) * scale;
        }
    }
}
