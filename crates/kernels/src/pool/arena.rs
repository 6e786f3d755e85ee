//! Memory for tensors of any shape, allocated from a few large mappings.
//!
//! Best fit with immediate merging of free neighbours: the memory of one tensor serves a later one
//! of another shape, so batches of varying length neither fault pages in again nor keep memory for
//! each length. The mappings request huge pages: one page fault for 2 MiB instead of 4 KiB.

use std::collections::{BTreeMap, BTreeSet};
use std::ptr::NonNull;

use memmap2::MmapMut;

/// Elements per cache line: blocks begin and end at cache-line boundaries.
const LINE: usize = 16;

/// Elements per mapping, unless one block needs more. Only memory that has been written to is
/// committed.
const SEGMENT: usize = 64 << 20;

/// The free parts of all mappings. A part in use is known only to its [`Block`].
pub struct Arena {
    /// First element of every mapping; mappings are never unmapped.
    segments: Vec<NonNull<f32>>,
    by_place: BTreeMap<Place, usize>,
    /// The same, ordered by length: the first that is long enough fits best and lies lowest.
    by_length: BTreeSet<(usize, Place)>,
}

// SAFETY: the mappings are owned memory, reached through one block at a time.
unsafe impl Send for Arena {}

/// Position of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: usize,
    offset: usize,
}

/// A part of a mapping used by one owner. Its elements are initialised.
pub struct Block {
    start: NonNull<f32>,
    place: Place,
    length: usize,
}

// SAFETY: a block is owned memory, like a Vec's.
unsafe impl Send for Block {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Block {}

impl Block {
    /// All elements, at least as many as requested.
    pub fn as_slice(&self) -> &[f32] {
        // SAFETY: the block's elements are mapped and initialised (zeros at first), and nobody
        // else has them until the block is put back.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// All elements.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as above, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Arena {
    pub const fn new() -> Self {
        Self {
            segments: Vec::new(),
            by_place: BTreeMap::new(),
            by_length: BTreeSet::new(),
        }
    }

    /// A block of at least `length` elements with arbitrary content; `None` if the system has no
    /// more memory or no mappings.
    pub fn take(&mut self, length: usize) -> Option<Block> {
        let length = length.max(1).checked_next_multiple_of(LINE)?;
        let lowest = Place {
            segment: 0,
            offset: 0,
        };
        let (free, place) = match self.by_length.range((length, lowest)..).next() {
            Some(&fitting) => fitting,
            None => self.grow(length)?,
        };
        self.remove(place, free);
        let rest = place.after(length);
        if free > length {
            self.insert(rest, free - length);
        }
        // SAFETY: the free block at `place` lies inside its mapping.
        let start = unsafe { self.segments[place.segment].add(place.offset) };
        Some(Block {
            start,
            place,
            length,
        })
    }

    /// Returns a block.
    pub fn put(&mut self, block: Block) {
        let Block {
            mut place,
            mut length,
            ..
        } = block;
        if let Some(&next) = self.by_place.get(&place.after(length)) {
            self.remove(place.after(length), next);
            length += next;
        }
        let before = self.by_place.range(..place).next_back();
        if let Some((&previous, &free)) = before
            && previous.after(free) == place
        {
            self.remove(previous, free);
            (place, length) = (previous, free + length);
        }
        self.insert(place, length);
    }

    /// Maps more memory and returns it as a free block.
    fn grow(&mut self, length: usize) -> Option<(usize, Place)> {
        let elements = length.max(SEGMENT);
        let map = |elements: usize| MmapMut::map_anon(elements.checked_mul(size_of::<f32>())?).ok();
        let (elements, mapping) = match map(elements) {
            Some(mapping) => (elements, mapping),
            None => (length, map(length)?),
        };
        // Without huge pages, small ones will do.
        #[cfg(all(target_os = "linux", not(miri)))]
        let _ = mapping.advise(memmap2::Advice::HugePage);
        // Pages are aligned to more than an f32; zeros are valid ones.
        let start = NonNull::from(Box::leak(Box::new(mapping)).as_mut()).cast::<f32>();
        let place = Place {
            segment: self.segments.len(),
            offset: 0,
        };
        self.segments.push(start);
        self.insert(place, elements);
        Some((elements, place))
    }

    fn insert(&mut self, place: Place, length: usize) {
        self.by_place.insert(place, length);
        self.by_length.insert((length, place));
    }

    fn remove(&mut self, place: Place, length: usize) {
        self.by_place.remove(&place);
        self.by_length.remove(&(length, place));
    }
}

impl Place {
    fn after(self, length: usize) -> Place {
        Place {
            offset: self.offset + length,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(arena: &Arena) -> usize {
        arena.by_place.values().sum()
    }

    /// Blocks of pseudo-random lengths never overlap, and what is freed becomes whole again.
    #[test]
    fn blocks_are_disjoint_and_join_when_freed() {
        let mut arena = Arena::new();
        let mut state = 1_u32;
        let mut random = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        let mut blocks: Vec<Block> = Vec::new();
        for round in 0..5_000 {
            if blocks.len() < 40 && random(3) > 0 {
                let shift = random(12);
                let length = 1 + random(3_000_000 >> shift);
                let mut block = arena.take(length).unwrap();
                assert!(block.as_slice().len() >= length);
                let (first, last) = (0, block.length - 1);
                block.as_mut_slice()[first] = round as f32;
                block.as_mut_slice()[last] = round as f32;
                blocks.push(block);
            } else if !blocks.is_empty() {
                let index = random(blocks.len());
                let block = blocks.swap_remove(index);
                let values = block.as_slice();
                assert_eq!(values[0], values[values.len() - 1], "two owners");
                arena.put(block);
            }
            let used: usize = blocks.iter().map(|block| block.length).sum();
            assert_eq!(used + free(&arena), arena.segments.len() * SEGMENT);
        }
        blocks.drain(..).for_each(|block| arena.put(block));
        assert_eq!(arena.by_place.len(), arena.segments.len());
        assert_eq!(arena.by_place.len(), arena.by_length.len());
    }

    /// A hundred shapes, each used once, fit into the memory of the largest.
    #[test]
    fn shapes_share_memory() {
        let mut arena = Arena::new();
        for length in (100_000..200_000).step_by(1000) {
            let first = arena.take(length).unwrap();
            assert_eq!(
                first.place.offset, 0,
                "{length} elements are taken elsewhere"
            );
            arena.put(first);
        }
        assert_eq!(arena.segments.len(), 1);
    }

    #[test]
    fn a_block_larger_than_a_mapping_has_one_of_its_own() {
        let mut arena = Arena::new();
        let block = arena.take(SEGMENT + 1).unwrap();
        assert_eq!(block.length, SEGMENT + LINE);
        assert!(arena.take(usize::MAX).is_none());
        arena.put(block);
    }
}
