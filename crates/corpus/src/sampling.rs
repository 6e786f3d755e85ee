//! Random draws that are a function of what they decide.
//!
//! A draw depends on the seed, its purpose and the id of the item concerned, never on earlier
//! draws: sharding, resuming and reordering change nothing.

use blake3::{Hasher, OutputReader};

/// A uniform draw from [0, 1) for `id`, independent between purposes and seeds.
pub fn uniform(seed: u64, purpose: &str, id: &str) -> f64 {
    unit_interval(draw(seed, purpose, id))
}

/// A uniform draw from `0..n` for `id`.
///
/// # Panics
/// If `n` is 0.
pub fn choose(seed: u64, purpose: &str, id: &str, n: usize) -> usize {
    below(draw(seed, purpose, id), n)
}

/// A sort key for `id`: sorting by it shuffles.
pub fn shuffle_key(seed: u64, purpose: &str, id: &str) -> u64 {
    draw(seed, purpose, id)
}

/// Repeated draws for one purpose, e.g. one for every word of a question.
pub struct Stream {
    reader: OutputReader,
    /// The reader's last block; it computes a whole block whatever the request.
    block: [u8; blake3::BLOCK_LEN],
    /// Number of bytes of the block already used.
    drawn: usize,
}

impl Stream {
    /// The stream of `seed` for `purpose`, which includes the id of the item concerned.
    pub fn new(seed: u64, purpose: &str) -> Stream {
        Stream::for_id(seed, purpose, "")
    }

    /// The stream of `seed` for `purpose` and `id`.
    pub fn for_id(seed: u64, purpose: &str, id: &str) -> Stream {
        Stream {
            reader: hasher(seed, purpose, id).finalize_xof(),
            block: [0; blake3::BLOCK_LEN],
            drawn: blake3::BLOCK_LEN,
        }
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        if self.drawn == self.block.len() {
            self.reader.fill(&mut self.block);
            self.drawn = 0;
        }
        let bytes = self.block[self.drawn..].first_chunk();
        self.drawn += size_of::<u64>();
        u64::from_le_bytes(*bytes.expect("a block is a multiple of 8 bytes"))
    }

    /// A uniform draw from [0, 1).
    pub fn uniform(&mut self) -> f64 {
        unit_interval(self.bits())
    }

    /// A uniform draw from `0..n`.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn choose(&mut self, n: usize) -> usize {
        below(self.bits(), n)
    }
}

fn draw(seed: u64, purpose: &str, id: &str) -> u64 {
    let hash = hasher(seed, purpose, id).finalize();
    u64::from_le_bytes(
        hash.as_bytes()[..8]
            .try_into()
            .expect("a blake3 hash has 32 bytes"),
    )
}

fn hasher(seed: u64, purpose: &str, id: &str) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(&seed.to_le_bytes());
    // The length keeps ("ab", "c") and ("a", "bc") apart.
    hasher.update(&(purpose.len() as u64).to_le_bytes());
    hasher.update(purpose.as_bytes()).update(id.as_bytes());
    hasher
}

/// An f64 in [0, 1) holds exactly 53 bits.
fn unit_interval(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// Scales 64 bits to `0..n`; the bias is below n / 2⁶⁴.
fn below(bits: u64, n: usize) -> usize {
    assert!(n > 0, "nothing to choose from");
    ((u128::from(bits) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 20_000;

    fn draws(seed: u64, purpose: &str) -> Vec<f64> {
        (0..DRAWS)
            .map(|id| uniform(seed, purpose, &id.to_string()))
            .collect()
    }

    /// χ² of `counts` against equal frequencies.
    fn chi_squared(counts: &[usize]) -> f64 {
        let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        counts
            .iter()
            .map(|&n| (n as f64 - expected).powi(2) / expected)
            .sum()
    }

    #[test]
    fn draws_are_uniform() {
        // 99.9th percentile of χ² with 19 degrees of freedom.
        const LIMIT: f64 = 43.82;
        let mut by_id = [0; 20];
        draws(1, "test")
            .iter()
            .for_each(|u| by_id[(u * 20.0) as usize] += 1);
        assert!(chi_squared(&by_id) < LIMIT, "{by_id:?}");

        let mut chosen = [0; 20];
        (0..DRAWS).for_each(|id| chosen[choose(1, "test", &id.to_string(), 20)] += 1);
        assert!(chi_squared(&chosen) < LIMIT, "{chosen:?}");

        let (mut stream, mut streamed) = (Stream::new(1, "test"), [0; 20]);
        (0..DRAWS).for_each(|_| streamed[stream.choose(20)] += 1);
        assert!(chi_squared(&streamed) < LIMIT, "{streamed:?}");
    }

    #[test]
    fn seeds_and_purposes_are_independent() {
        let correlation = |a: &[f64], b: &[f64]| {
            let products = a.iter().zip(b).map(|(a, b)| (a - 0.5) * (b - 0.5));
            products.sum::<f64>() / DRAWS as f64 * 12.0
        };
        let first = draws(1, "answer");
        for other in [draws(2, "answer"), draws(1, "held-out")] {
            // Four standard deviations of the mean of independent products.
            assert!(correlation(&first, &other).abs() < 4.0 / (DRAWS as f64).sqrt());
        }
        assert_ne!(uniform(1, "ab", "c"), uniform(1, "a", "bc"));
    }

    #[test]
    fn draws_are_reproducible() {
        // Written down once: a change would shuffle every user's transfer set.
        assert_eq!(choose(42, "answer", "row-1", 1_000_000), 102_698);
        assert_eq!(Stream::new(42, "words").choose(1_000_000), 837_290);
    }
}
