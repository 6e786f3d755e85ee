//! The flat batch: sequences laid end to end on one token axis, without padding.

use std::ops::Range;

/// How a flat token axis of length T divides into sequences.
///
/// Every operation across tokens (attention, positions) stays within a segment, so a batch, a
/// packed row and a single sequence are the same to the kernels. A segment may continue an earlier
/// one: sequences with a common beginning then share it, so that it is computed once, and a token
/// sees all tokens before it on the path from the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segments {
    /// `offsets[i]..offsets[i + 1]` is segment `i`; starts with 0, ends with T.
    offsets: Vec<usize>,
    /// The segment that each segment continues; empty if none continues another.
    parents: Vec<Option<usize>>,
}

impl Segments {
    /// Segments with these lengths, in order, each a separate sequence. A segment may be empty.
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut offsets = vec![0];
        let mut end = 0;
        for length in lengths {
            end += length;
            offsets.push(end);
        }
        Self {
            offsets,
            parents: Vec::new(),
        }
    }

    /// Segments, each with the segment it continues (`None` if it begins a sequence).
    ///
    /// # Panics
    /// If a segment continues one that does not come before it.
    pub fn tree(nodes: impl IntoIterator<Item = (usize, Option<usize>)>) -> Self {
        let (lengths, parents): (Vec<usize>, Vec<Option<usize>>) = nodes.into_iter().unzip();
        for (index, parent) in parents.iter().enumerate() {
            assert!(
                parent.is_none_or(|parent| parent < index),
                "segment {index} continues segment {parent:?}, which does not come before it"
            );
        }
        let is_flat = parents.iter().all(Option::is_none);
        Self {
            parents: if is_flat { Vec::new() } else { parents },
            ..Self::new(lengths)
        }
    }

    /// One sequence of `length` tokens.
    pub fn single(length: usize) -> Self {
        Self::new([length])
    }

    /// Number of segments.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are no segments.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Total number of tokens: T.
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

    /// Whether any segment continues another.
    pub fn is_tree(&self) -> bool {
        !self.parents.is_empty()
    }

    /// The segment that segment `index` continues.
    pub fn parent(&self, index: usize) -> Option<usize> {
        self.parents.get(index).copied().flatten()
    }

    /// The token ranges of a segment and of all segments it continues, without empty ones, from the
    /// beginning of the sequence to its end.
    pub fn path(&self, index: usize) -> Vec<Range<usize>> {
        let mut path: Vec<_> = std::iter::successors(Some(index), |&at| self.parent(at))
            .map(|at| self.range(at))
            .filter(|range| !range.is_empty())
            .collect();
        path.reverse();
        path
    }

    /// Groups of segments that share tokens, each in order: a beginning and everything that
    /// continues it.
    pub fn families(&self) -> Vec<Vec<usize>> {
        let mut family_of = Vec::with_capacity(self.len());
        let mut families: Vec<Vec<usize>> = Vec::new();
        for index in 0..self.len() {
            let family = match self.parent(index) {
                Some(parent) => family_of[parent],
                None => {
                    families.push(Vec::new());
                    families.len() - 1
                }
            };
            family_of.push(family);
            families[family].push(index);
        }
        families
    }

    /// Position of each token in its sequence: 0, 1, 2, … restarting at each beginning.
    pub fn positions(&self) -> Vec<u32> {
        let mut ends: Vec<u32> = Vec::with_capacity(self.len());
        let mut positions = Vec::with_capacity(self.tokens());
        for (index, range) in self.iter().enumerate() {
            let start = self.parent(index).map_or(0, |parent| ends[parent]);
            let end = start + range.len() as u32;
            positions.extend(start..end);
            ends.push(end);
        }
        positions
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
        assert!(!segments.is_tree());
    }

    #[test]
    fn positions_go_on_where_a_segment_continues_another() {
        let segments = Segments::tree([
            (3, None),
            (2, Some(0)),
            (1, Some(1)),
            (2, Some(0)),
            (1, None),
        ]);
        assert_eq!(segments.positions(), [0, 1, 2, 3, 4, 5, 3, 4, 0]);
        assert_eq!(segments.path(2), [0..3, 3..5, 5..6]);
        assert_eq!(segments.path(3), [0..3, 6..8]);
        assert_eq!(segments.families(), [vec![0, 1, 2, 3], vec![4]]);
    }

    #[test]
    fn a_tree_of_beginnings_only_is_a_plain_batch() {
        assert_eq!(
            Segments::tree([(3, None), (2, None)]),
            Segments::new([3, 2])
        );
    }

    #[test]
    fn nothing_is_a_valid_batch() {
        assert!(Segments::default().is_empty());
        assert_eq!(Segments::new([]).tokens(), 0);
    }
}
