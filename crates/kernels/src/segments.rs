//! The flat batch: sequences laid end to end on one token axis, without padding.

use std::ops::Range;

/// How a flat token axis of length T divides into sequences.
///
/// Every operation that looks across tokens (attention, positions) stays inside a segment, so a
/// batch, a packed row and a single sequence are the same thing to the kernels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segments {
    /// `offsets[i]..offsets[i + 1]` is segment `i`; starts with 0, ends with T.
    offsets: Vec<usize>,
}

impl Segments {
    /// Segments of these lengths, in order. A segment may be empty.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut offsets = vec![0];
        let mut end = 0;
        for length in lengths {
            end += length;
            offsets.push(end);
        }
        Self { offsets }
    }

    /// One sequence of `length` tokens.
    pub fn single(length: usize) -> Self {
        Self::new([length])
    }

    /// Number of segments.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no segment at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens of all segments together: T.
    pub fn tokens(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// The token range of each segment, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        self.offsets.windows(2).map(|ends| ends[0]..ends[1])
    }

    /// The token range of segment `index`.
    ///
    /// # Panics
    /// If there is no such segment.
    pub fn range(&self, index: usize) -> Range<usize> {
        self.offsets[index]..self.offsets[index + 1]
    }

    /// Position of each token in its own segment: 0, 1, 2, … restarting at each segment.
    pub fn positions(&self) -> Vec<u32> {
        self.iter()
            .flat_map(|range| 0..range.len() as u32)
            .collect()
    }

    /// Index of the last token of each segment; `None` for an empty segment.
    pub fn last_tokens(&self) -> Vec<Option<usize>> {
        self.iter()
            .map(|range| (!range.is_empty()).then(|| range.end - 1))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_restart_at_each_segment() {
        let segments = Segments::new([3, 0, 2]);
        assert_eq!(segments.len(), 3);
        assert_eq!(segments.tokens(), 5);
        assert_eq!(segments.positions(), [0, 1, 2, 0, 1]);
        assert_eq!(segments.last_tokens(), [Some(2), None, Some(4)]);
        assert_eq!(segments.range(2), 3..5);
    }

    #[test]
    fn nothing_is_a_valid_batch() {
        assert!(Segments::default().is_empty());
        assert_eq!(Segments::new([]).tokens(), 0);
    }
}
