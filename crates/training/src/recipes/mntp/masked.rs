//! Masks, and documents in which they are applied.

use burn::Tensor;
use corpus::sampling::Stream;
use kernels::{IGNORE, Segments};
use models::Network;

/// Which tokens of a document are masked: each but the first with probability `share`, unless it is
/// special. The first has no position before it that could predict it. The mask is a function of
/// the seed and `id`, which names the document and the epoch.
pub fn mask(
    ids: &[u32],
    share: f64,
    seed: u64,
    id: &str,
    is_special: impl Fn(u32) -> bool,
) -> Vec<bool> {
    let mut stream = Stream::for_id(seed, "mntp mask", id);
    let mut masked = vec![false; ids.len()];
    for (position, &token) in ids.iter().enumerate().skip(1) {
        masked[position] = stream.uniform() < share && !is_special(token);
    }
    masked
}

/// A document with masked tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedDocument {
    /// The ids, with the mask token in place of those that are masked.
    pub ids: Vec<u32>,
    /// For each position the next token if it is masked, otherwise [`IGNORE`].
    pub targets: Vec<u32>,
}

impl MaskedDocument {
    /// Masks these tokens of `ids`.
    pub fn new(mut ids: Vec<u32>, masked: &[bool], mask_token: u32) -> Self {
        let mut targets = vec![IGNORE; ids.len()];
        for position in (1..ids.len()).filter(|&position| masked[position]) {
            targets[position - 1] = ids[position];
            ids[position] = mask_token;
        }
        Self { ids, targets }
    }

    /// Number of masked tokens.
    pub fn masked(&self) -> usize {
        masked(&self.targets)
    }
}

/// Masked documents laid end to end for one forward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskedBatch {
    /// Token ids, T of them.
    pub ids: Vec<u32>,
    /// The documents.
    pub segments: Segments,
    /// T targets: the next token where it is masked, otherwise [`IGNORE`].
    pub targets: Vec<u32>,
}

impl MaskedBatch {
    /// Lays out the documents.
    pub fn new(documents: Vec<MaskedDocument>) -> Self {
        Self {
            segments: Segments::new(documents.iter().map(|document| document.ids.len())),
            ids: documents
                .iter()
                .flat_map(|document| &document.ids)
                .copied()
                .collect(),
            targets: documents
                .iter()
                .flat_map(|document| &document.targets)
                .copied()
                .collect(),
        }
    }

    /// Number of masked tokens.
    pub fn masked(&self) -> usize {
        masked(&self.targets)
    }

    /// Number of masked tokens that `network` finds the most probable, given its last hidden states
    /// [T, C].
    pub fn correct(&self, network: &Network, hidden: Tensor<2>) -> usize {
        /// Rows of logits that are in memory at a time.
        const ROWS: usize = 256;
        let supervised = (0..self.targets.len()).filter(|&row| self.targets[row] != IGNORE);
        let rows: Vec<u32> = supervised.map(|row| row as u32).collect();
        let mut correct = 0;
        for rows in rows.chunks(ROWS) {
            let logits = network.logits(kernels::embedding(hidden.clone(), rows));
            let best = logits.argmax(1).into_data();
            let best = best.iter::<i64>();
            correct += best
                .zip(rows)
                .filter(|(best, row)| *best == i64::from(self.targets[**row as usize]))
                .count();
        }
        correct
    }
}

fn masked(targets: &[u32]) -> usize {
    targets.iter().filter(|&&target| target != IGNORE).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_token_is_the_target_of_the_position_before_it() {
        let ids = vec![5, 6, 7, 8];
        let document = MaskedDocument::new(ids, &[true, true, false, true], 0);
        assert_eq!(document.ids, [5, 0, 7, 0]);
        assert_eq!(document.targets, [6, IGNORE, 8, IGNORE]);
        let batch = MaskedBatch::new(vec![document.clone(), document]);
        assert_eq!(
            (batch.masked(), batch.ids.len(), batch.segments.len()),
            (4, 8, 2)
        );
    }

    #[test]
    fn a_fifth_of_the_tokens_is_masked_never_the_first_nor_a_special_one() {
        let ids: Vec<u32> = (0..20_000).map(|at| at % 10).collect();
        let is_special = |token| token == 3;
        let masked = mask(&ids, 0.2, 1, "0/7", is_special);
        let count = masked.iter().filter(|&&masked| masked).count();
        assert!((3450..3750).contains(&count), "{count}");
        assert!(!masked[0] && (3..ids.len()).step_by(10).all(|at| !masked[at]));
        assert_eq!(mask(&ids, 0.2, 1, "0/7", is_special), masked);
        for other in [
            mask(&ids, 0.2, 2, "0/7", is_special),
            mask(&ids, 0.2, 1, "1/7", is_special),
        ] {
            assert_ne!(other, masked);
        }
    }
}
