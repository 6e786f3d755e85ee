//! Pseudo-random choices that a seed repeats.

use crate::runner::LARGEST_FILE;

/// SplitMix64 (Steele et al. 2014).
pub struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `count`; 0 if that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// One of `values`, which must not be empty.
    pub fn of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// A place in `length` bytes, more often near the beginning, where sizes stand.
    pub fn place(&mut self, length: usize) -> usize {
        let mut place = self.below(length);
        for _ in 0..self.below(3) {
            place = self.below(place + 1);
        }
        place
    }

    /// A number of copies of something with `size` bytes, at least one: at most `most`, and not many
    /// more than fit into a file.
    pub fn copies(&mut self, most: usize, size: usize) -> usize {
        let room = LARGEST_FILE / size.max(1);
        (1 + self.place(most)).min(1 + room)
    }
}
