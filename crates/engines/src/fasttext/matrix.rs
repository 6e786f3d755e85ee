//! Matrices of a fastText file: dense f32, or product-quantised (Joulin et al. 2016,
//! arXiv:1612.03651; `QuantMatrix` and `ProductQuantizer` of the reference implementation).
//!
//! Rows stay in the file, which may be memory-mapped; only centroids are decoded.

use std::ops::Range;

use super::cursor::{Cursor, floats};

/// Centroids of a sub-quantiser: one per value of a code byte.
const CENTROIDS: usize = 256;

/// Maximum row width; published models have 16 to 300 columns.
const MAX_COLUMNS: usize = 1 << 16;

/// A matrix of `rows` × `columns` in a file.
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    storage: Storage,
}

enum Storage {
    /// Row-major f32.
    Dense(Range<usize>),
    Quantised {
        /// One byte for every sub-vector of every row.
        codes: Range<usize>,
        quantiser: Quantiser,
        /// If rows were normalised: one byte per row, and the norms that it indexes.
        norms: Option<(Range<usize>, Vec<f32>)>,
    },
}

/// Sub-vectors of `width` columns (the last one has the remaining columns), with 256 centroids
/// each.
struct Quantiser {
    parts: usize,
    width: usize,
    last_width: usize,
    centroids: Vec<f32>,
}

impl Matrix {
    /// A dense matrix: rows, columns, values.
    pub(super) fn dense(cursor: &mut Cursor, what: &str) -> Result<Self, String> {
        let (rows, columns) = shape(cursor, what)?;
        let values = cursor.skip_floats(rows.saturating_mul(columns), what)?;
        Ok(Self {
            rows,
            columns,
            storage: Storage::Dense(values),
        })
    }

    /// A quantised matrix: whether norms are stored separately, rows, columns, codes, quantiser,
    /// norms.
    pub(super) fn quantised(cursor: &mut Cursor, what: &str) -> Result<Self, String> {
        let with_norms = cursor.bool(what)?;
        let (rows, columns) = shape(cursor, what)?;
        let size = cursor.size(&format!("the size of {what}'s codes"))?;
        let codes = cursor.skip(size, &format!("{what}'s codes"))?;
        let quantiser = Quantiser::read(cursor, what)?;
        if quantiser.columns() != columns || rows.checked_mul(quantiser.parts) != Some(size) {
            return Err(format!(
                "{what} of {rows} rows and {columns} columns has {size} codes for {} sub-vectors that span {} columns",
                quantiser.parts,
                quantiser.columns()
            ));
        }
        let norms = if with_norms {
            let codes = cursor.skip(rows, &format!("{what}'s norms"))?;
            let norms = Quantiser::read(cursor, &format!("{what}'s norms"))?;
            if norms.columns() != 1 {
                return Err(format!(
                    "{what}'s norms have {} columns, not 1",
                    norms.columns()
                ));
            }
            Some((codes, norms.centroids))
        } else {
            None
        };
        Ok(Self {
            rows,
            columns,
            storage: Storage::Quantised {
                codes,
                quantiser,
                norms,
            },
        })
    }

    /// Adds a row to `sum`, which has as many columns.
    pub(super) fn add_row(&self, file: &[u8], row: usize, sum: &mut [f32]) {
        match &self.storage {
            Storage::Dense(values) => {
                for (sum, value) in sum.iter_mut().zip(self.dense_row(file, values, row)) {
                    *sum += value;
                }
            }
            Storage::Quantised {
                codes,
                quantiser,
                norms,
            } => {
                let norm = norm(file, norms, row);
                let codes = &file[codes.clone()][row * quantiser.parts..][..quantiser.parts];
                for (part, (&code, sum)) in codes
                    .iter()
                    .zip(sum.chunks_mut(quantiser.width))
                    .enumerate()
                {
                    for (sum, value) in sum.iter_mut().zip(quantiser.centroid(part, code)) {
                        *sum += norm * value;
                    }
                }
            }
        }
    }

    /// The dot product of a row and `vector`, which has as many columns.
    pub(super) fn dot_row(&self, file: &[u8], row: usize, vector: &[f32]) -> f32 {
        match &self.storage {
            Storage::Dense(values) => {
                let bytes = &file[values.clone()][row * self.columns * 4..][..self.columns * 4];
                // Independent sums that a CPU adds in one instruction.
                let mut sums = [0.0f32; 8];
                for (bytes, vector) in bytes.chunks(32).zip(vector.chunks(8)) {
                    for ((sum, value), factor) in sums.iter_mut().zip(floats(bytes)).zip(vector) {
                        *sum += value * factor;
                    }
                }
                sums.iter().sum()
            }
            Storage::Quantised {
                codes,
                quantiser,
                norms,
            } => {
                let codes = &file[codes.clone()][row * quantiser.parts..][..quantiser.parts];
                let mut sum = 0.0;
                for (part, (&code, vector)) in
                    codes.iter().zip(vector.chunks(quantiser.width)).enumerate()
                {
                    for (value, factor) in quantiser.centroid(part, code).iter().zip(vector) {
                        sum += value * factor;
                    }
                }
                sum * norm(file, norms, row)
            }
        }
    }

    fn dense_row(
        &self,
        file: &[u8],
        values: &Range<usize>,
        row: usize,
    ) -> impl Iterator<Item = f32> {
        let bytes = &file[values.clone()][row * self.columns * 4..][..self.columns * 4];
        floats(bytes)
    }
}

fn norm(file: &[u8], norms: &Option<(Range<usize>, Vec<f32>)>, row: usize) -> f32 {
    match norms {
        Some((codes, norms)) => norms[usize::from(file[codes.clone()][row])],
        None => 1.0,
    }
}

fn shape(cursor: &mut Cursor, what: &str) -> Result<(usize, usize), String> {
    let rows = cursor.long_size(&format!("the number of {what}'s rows"))?;
    let columns = cursor.long_size(&format!("the number of {what}'s columns"))?;
    if columns == 0 || columns > MAX_COLUMNS {
        return Err(format!("{what} has {columns} columns"));
    }
    Ok((rows, columns))
}

impl Quantiser {
    fn read(cursor: &mut Cursor, what: &str) -> Result<Self, String> {
        let columns = cursor.size(&format!("the width of {what}'s quantiser"))?;
        let parts = cursor.size(&format!("the number of {what}'s sub-vectors"))?;
        let width = cursor.size(&format!("the width of {what}'s sub-vectors"))?;
        let last_width = cursor.size(&format!("the width of {what}'s last sub-vector"))?;
        let spanned = parts
            .checked_sub(1)
            .and_then(|whole| whole.checked_mul(width)?.checked_add(last_width));
        if spanned != Some(columns) || width == 0 || last_width == 0 || last_width > width {
            return Err(format!(
                "{what}'s quantiser has {parts} sub-vectors of {width} columns and {last_width} in the last, \
                 which are not {columns}"
            ));
        }
        let centroids = cursor.floats(
            columns.saturating_mul(CENTROIDS),
            &format!("{what}'s centroids"),
        )?;
        Ok(Self {
            parts,
            width,
            last_width,
            centroids,
        })
    }

    fn columns(&self) -> usize {
        (self.parts - 1) * self.width + self.last_width
    }

    fn centroid(&self, part: usize, code: u8) -> &[f32] {
        let start = part * CENTROIDS * self.width;
        let width = match part + 1 == self.parts {
            true => self.last_width,
            false => self.width,
        };
        &self.centroids[start + usize::from(code) * width..][..width]
    }
}
