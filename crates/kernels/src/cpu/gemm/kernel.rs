//! The instructions that multiply packed panels, one register tile at a time.

use super::{Matrix, avx2, avx512};
use crate::Factors;

/// The factor that a panel belongs to; the two differ in width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// Elements along k in a step: those in a word of a right panel.
pub fn per_step(precision: Factors) -> usize {
    match precision {
        Factors::F32 => 1,
        Factors::Bf16 => 2,
    }
}

/// A register tile and the form of its panels; a value exists only on CPUs that have its
/// instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    Avx512(avx512::Kernel),
    Avx2(avx2::Kernel),
}

impl Kernel {
    /// The fastest kernel for this precision that the CPU supports.
    pub fn for_precision(precision: Factors) -> Option<Self> {
        (avx512::Kernel::for_precision(precision).map(Self::Avx512))
            .or_else(|| avx2::Kernel::for_precision(precision).map(Self::Avx2))
    }

    /// The name of its instructions.
    pub fn instructions(self) -> &'static str {
        match self {
            Self::Avx512(kernel) => kernel.instructions(),
            Self::Avx2(kernel) => kernel.instructions(),
        }
    }

    /// Rows of a left panel, columns of a right one.
    pub fn width(self, side: Side) -> usize {
        match self {
            Self::Avx512(_) => avx512::width(side),
            Self::Avx2(_) => avx2::width(side),
        }
    }

    fn precision(self) -> Factors {
        match self {
            Self::Avx512(kernel) => kernel.precision(),
            Self::Avx2(kernel) => kernel.precision(),
        }
    }

    /// Steps of `depth` elements along k.
    pub fn steps(self, depth: usize) -> usize {
        depth.div_ceil(per_step(self.precision()))
    }

    /// Words of a panel in one step.
    pub fn step_words(self, side: Side) -> usize {
        match self {
            Self::Avx512(_) => avx512::width(side),
            Self::Avx2(kernel) => kernel.step_words(side),
        }
    }

    /// Number of words in `rows` packed rows of `depth` elements.
    pub fn packed_words(self, side: Side, rows: usize, depth: usize) -> usize {
        rows.div_ceil(self.width(side)) * self.step_words(side) * self.steps(depth)
    }

    /// Packs rows `first..first + width` of `source`, with zeros for missing rows.
    pub fn pack_panel(self, side: Side, source: Matrix<'_>, first: usize, words: &mut [u32]) {
        let panel = self.step_words(side) * self.steps(source.columns);
        assert_eq!(words.len(), panel, "size of a panel");
        match self {
            Self::Avx512(kernel) => kernel.pack_panel(side, source, first, words),
            Self::Avx2(kernel) => kernel.pack_panel(side, source, first, words),
        }
    }

    /// Column `index` of a packed right factor whose inner size is `depth`, as f32.
    pub fn unpack(self, depth: usize, words: &[u32], index: usize, to: &mut [f32]) {
        let width = self.width(Side::Right);
        let panel = index / width * width * self.steps(depth);
        let words = words[panel + index % width..].iter().step_by(width);
        match self.precision() {
            Factors::F32 => {
                for (value, word) in to.iter_mut().zip(words) {
                    *value = f32::from_bits(*word);
                }
            }
            Factors::Bf16 => {
                for (pair, word) in to.chunks_mut(2).zip(words) {
                    for (value, half) in pair.iter_mut().zip([word << 16, word & 0xffff_0000]) {
                        *value = f32::from_bits(half);
                    }
                }
            }
        }
    }

    /// C tile (at most a panel's `rows` × `columns`) = or += left panel · right panel.
    ///
    /// # Safety
    /// `c` must be valid for reads and writes of the tile with rows `stride` apart.
    #[expect(clippy::too_many_arguments, reason = "a register tile is all of these")]
    pub unsafe fn tile(
        self,
        left: &[u32],
        right: &[u32],
        c: *mut f32,
        stride: usize,
        rows: usize,
        columns: usize,
        add: bool,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::Avx512(kernel) => kernel.tile(left, right, c, stride, rows, columns, add),
                Self::Avx2(kernel) => kernel.tile(left, right, c, stride, rows, columns, add),
            }
        }
    }
}
