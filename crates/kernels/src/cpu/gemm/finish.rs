//! Work on the result of a product while it is still in the cache.

use super::super::parallel::for_each_simd;
use super::{MatrixMut, Update};

/// The last step of a product: C = or += A · B, then + bias, then optionally max(·, 0).
#[derive(Debug, Clone, Copy)]
pub struct Finish<'a> {
    /// Whether the result is added to the previous content.
    pub update: Update,
    /// One value for each column.
    pub bias: Option<&'a [f32]>,
    /// Whether negative results become zero.
    pub relu: bool,
}

impl<'a> Finish<'a> {
    /// The product alone.
    pub fn of(update: Update) -> Self {
        Self {
            update,
            bias: None,
            relu: false,
        }
    }

    /// The finish of columns from `first` on.
    pub fn after_columns(self, first: usize) -> Self {
        Self {
            bias: self.bias.map(|bias| &bias[first..]),
            ..self
        }
    }

    /// Adds the bias and clips, in a part of the result whose first column is `first`.
    pub fn apply(self, mut part: MatrixMut<'_>, first: usize) {
        if self.bias.is_none() && !self.relu {
            return;
        }
        let bias = self.after_columns(first).bias.unwrap_or(&[]);
        for row in 0..part.rows {
            finish_row(part.row_mut(row), bias, self.relu);
        }
    }
}

for_each_simd! {
    /// An empty bias means none.
    fn finish_row(row: &mut [f32], bias: &[f32], relu: bool) {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value += bias;
        }
        if relu {
            for value in row {
                *value = if *value < 0.0 { 0.0 } else { *value };
            }
        }
    }
}
