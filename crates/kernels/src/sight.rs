//! Which tokens see which.

use std::ops::Range;

/// Which tokens of its sequence a token attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Itself and the tokens before it, in its segment and in the segments that it continues.
    Causal,
    /// At most this many tokens: itself and those before it (sliding window attention, Beltagy et
    /// al. 2020, arXiv 2004.05150).
    Window(usize),
    /// All tokens of its segment, as in encoders.
    Both,
}

impl Sight {
    /// The range of keys that query `index` of `queries` sees among `keys`; the last query belongs
    /// to the last key.
    pub(crate) fn visible(self, index: usize, queries: usize, keys: usize) -> Range<usize> {
        let end = (keys + index + 1).saturating_sub(queries);
        match self {
            Self::Causal => 0..end,
            Self::Window(size) => end.saturating_sub(size)..end,
            Self::Both => 0..keys,
        }
    }
}
