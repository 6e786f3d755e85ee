//! Views of tensors [T, heads, D] as one matrix per head.

use std::marker::PhantomData;
use std::ops::Range;

use burn_flex::FlexTensor;

use crate::cpu::buffer::Buffer;
use crate::cpu::gemm::{Matrix, MatrixMut};
use crate::flex::{dims, values};

/// A contiguous tensor [T, heads, D] viewed head by head.
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    pub values: &'a [f32],
    pub heads: usize,
    pub head_dim: usize,
}

impl<'a> Heads<'a> {
    pub fn of(tensor: &'a FlexTensor) -> Self {
        let [_, heads, head_dim] = dims(tensor);
        Self {
            values: values(tensor),
            heads,
            head_dim,
        }
    }

    /// Tokens `range` of one head, [range, D].
    pub fn matrix(self, range: Range<usize>, head: usize) -> Matrix<'a> {
        let stride = self.heads * self.head_dim;
        let start = range.start * stride + head * self.head_dim;
        Matrix::new(&self.values[start..], range.len(), self.head_dim, stride)
    }

    /// The tokens of all ranges of `path` of one head, concatenated.
    pub(super) fn along(self, path: &[Range<usize>], head: usize) -> Rows<'a> {
        if let [range] = path {
            return Rows::InPlace(self.matrix(range.clone(), head));
        }
        let tokens: usize = path.iter().map(Range::len).sum();
        let mut rows = Buffer::take(tokens * self.head_dim);
        let mut to = rows.chunks_exact_mut(self.head_dim);
        for range in path {
            let from = self.matrix(range.clone(), head);
            for (row, to) in (0..from.rows()).zip(&mut to) {
                to.copy_from_slice(from.row(row));
            }
        }
        Rows::Gathered(rows, tokens, self.head_dim)
    }
}

/// Rows of one head: borrowed, or copied if a path has several ranges.
pub(super) enum Rows<'a> {
    InPlace(Matrix<'a>),
    /// Values, tokens and D.
    Gathered(Buffer<f32>, usize, usize),
}

impl Rows<'_> {
    pub(super) fn matrix(&self) -> Matrix<'_> {
        match self {
            Rows::InPlace(matrix) => *matrix,
            Rows::Gathered(values, tokens, head_dim) => Matrix::dense(values, *tokens, *head_dim),
        }
    }
}

/// Memory [T, heads, D] that tasks write one head at a time.
pub(crate) struct HeadsMut<'a> {
    start: *mut f32,
    tokens: usize,
    heads: usize,
    head_dim: usize,
    memory: PhantomData<&'a mut [f32]>,
}

// SAFETY: shared only to make matrices through the unsafe `matrix`, whose callers keep them apart.
unsafe impl Sync for HeadsMut<'_> {}

impl<'a> HeadsMut<'a> {
    pub fn new(values: &'a mut [f32], [tokens, heads, head_dim]: [usize; 3]) -> Self {
        assert_eq!(values.len(), tokens * heads * head_dim);
        Self {
            start: values.as_mut_ptr(),
            tokens,
            heads,
            head_dim,
            memory: PhantomData,
        }
    }

    /// Tokens `range` of one head, [range, D].
    ///
    /// # Safety
    /// While the result lives, no other one of these tokens and this head may.
    pub unsafe fn matrix(&self, range: Range<usize>, head: usize) -> MatrixMut<'a> {
        assert!(range.end <= self.tokens && head < self.heads);
        let stride = self.heads * self.head_dim;
        // SAFETY: the elements lie in the slice of `new` (asserted), which is borrowed for 'a, and
        // the caller keeps other users away.
        unsafe {
            let start = self.start.add(range.start * stride + head * self.head_dim);
            MatrixMut::from_raw(start, range.len(), self.head_dim, stride)
        }
    }

    /// Adds `values` [tokens of all ranges, D] to the ranges of `path`.
    ///
    /// # Safety
    /// No matrix of these tokens and this head may be alive.
    pub(super) unsafe fn add_along(&self, path: &[Range<usize>], head: usize, values: &[f32]) {
        let mut rows = values.chunks_exact(self.head_dim);
        for range in path {
            // SAFETY: the caller's promise; the ranges of a path are disjoint.
            let mut to = unsafe { self.matrix(range.clone(), head) };
            for (row, from) in (0..range.len()).zip(&mut rows) {
                for (sum, value) in to.row_mut(row).iter_mut().zip(from) {
                    *sum += value;
                }
            }
        }
    }
}
