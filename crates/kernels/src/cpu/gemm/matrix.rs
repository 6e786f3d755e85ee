//! Views of matrices in slices.

use std::marker::PhantomData;
use std::ops::Range;

/// A matrix factor: element (row, column) is `data[row · row_stride + column · column_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` × `columns` whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// If `data` is too short.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        if rows > 0 && columns > 0 {
            let needed = (rows - 1) * row_stride + columns;
            assert!(data.len() >= needed, "matrix of {needed} in {}", data.len());
        }
        Self {
            data,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// Rows that follow each other directly.
    pub fn dense(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::new(data, rows, columns, columns)
    }

    /// Row `index` of a matrix that is not transposed.
    ///
    /// # Panics
    /// If there is no such row, or its elements are not contiguous.
    pub fn row(&self, index: usize) -> &'a [f32] {
        assert!(index < self.rows && self.column_stride == 1);
        &self.data[index * self.row_stride..][..self.columns]
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows `range`, as a matrix of their own.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn slice_rows(&self, range: Range<usize>) -> Self {
        self.part(range, 0..self.columns)
    }

    /// The rectangle of these rows and columns.
    ///
    /// # Panics
    /// If it is not inside the matrix.
    pub fn part(&self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows);
        assert!(columns.start <= columns.end && columns.end <= self.columns);
        let start = rows.start * self.row_stride + columns.start * self.column_stride;
        Self {
            data: &self.data[start.min(self.data.len())..],
            rows: rows.len(),
            columns: columns.len(),
            ..*self
        }
    }

    /// The same memory read with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// The result of a product: `rows` × `columns`, columns contiguous.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pub(super) start: *mut f32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) memory: PhantomData<&'a mut [f32]>,
}

// SAFETY: like a `&mut [f32]`, it is the only way to its elements (constructors).
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// `rows` × `columns` whose rows follow each other directly.
    ///
    /// # Panics
    /// If `data` is too short.
    pub fn dense(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert!(
            data.len() >= rows * columns,
            "matrix larger than its memory"
        );
        // SAFETY: the elements lie in `data` (checked), which is borrowed for 'a.
        unsafe { Self::from_raw(data.as_mut_ptr(), rows, columns, columns) }
    }

    /// `rows` × `columns` from `start` whose rows start `row_stride` elements apart; the memory
    /// between them may belong to others.
    ///
    /// # Safety
    /// For 'a, the matrix's elements must be valid and used through the result only.
    pub unsafe fn from_raw(
        start: *mut f32,
        rows: usize,
        columns: usize,
        row_stride: usize,
    ) -> Self {
        assert!(row_stride >= columns, "rows of the result overlap");
        Self {
            start,
            rows,
            columns,
            row_stride,
            memory: PhantomData,
        }
    }

    /// Row `index`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_mut(&mut self, index: usize) -> &mut [f32] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        // SAFETY: the row's elements are valid and only ours (constructors), and borrowed with
        // `self`.
        unsafe {
            let start = self.start.add(index * self.row_stride);
            std::slice::from_raw_parts_mut(start, self.columns)
        }
    }

    /// All elements of a matrix without gaps between its rows.
    ///
    /// # Panics
    /// If there are gaps.
    pub fn into_slice(self) -> &'a mut [f32] {
        assert_eq!(self.row_stride, self.columns, "rows with gaps");
        // SAFETY: without gaps the elements are one slice, valid and only ours for 'a.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.rows * self.columns) }
    }

    /// Rows `range`, as a matrix of their own.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn rows_mut(&mut self, range: Range<usize>) -> MatrixMut<'_> {
        assert!(range.start <= range.end && range.end <= self.rows);
        MatrixMut {
            // Offsets stay inside the matrix, or one stride past its last row if empty.
            start: self.start.wrapping_add(range.start * self.row_stride),
            rows: range.len(),
            columns: self.columns,
            row_stride: self.row_stride,
            memory: PhantomData,
        }
    }

    /// Columns `range`, as a matrix of their own.
    ///
    /// # Panics
    /// If there are no such columns.
    pub fn columns_mut(&mut self, range: Range<usize>) -> MatrixMut<'_> {
        assert!(range.start <= range.end && range.end <= self.columns);
        MatrixMut {
            start: self.start.wrapping_add(range.start),
            rows: self.rows,
            columns: range.len(),
            row_stride: self.row_stride,
            memory: PhantomData,
        }
    }
    /// Blocks of `width` columns, the last of which may be narrower.
    pub fn column_blocks(&mut self, width: usize) -> impl Iterator<Item = MatrixMut<'_>> {
        let (start, rows, row_stride) = (self.start, self.rows, self.row_stride);
        (0..self.columns)
            .step_by(width)
            .map(move |first| MatrixMut {
                // The blocks share no element, and `self` stays borrowed.
                start: start.wrapping_add(first),
                rows,
                columns: width.min(self.columns - first),
                row_stride,
                memory: PhantomData,
            })
    }
}
