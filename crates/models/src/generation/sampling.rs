//! Choosing the next token from its logits.

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// The most probable token; the first of equals.
    Greedy,
    /// A random token, by probability after these filters, in this order (as in Transformers).
    Random {
        /// Divides the logits; below 1 sharpens, above 1 flattens.
        temperature: f32,
        /// Keep this many most probable tokens; 0 keeps all.
        top_k: usize,
        /// Keep the most probable tokens that together reach this probability; 1 keeps all
        /// (Holtzman et al. 2020, arXiv 1904.09751).
        top_p: f32,
    },
}

impl Sampling {
    /// A token for these logits; `draw` gives a number in [0, 1) where chance decides.
    pub(super) fn choose(self, logits: &[f32], draw: impl FnOnce() -> f64) -> u32 {
        match self {
            Self::Random {
                temperature,
                top_k,
                top_p,
            } if temperature > 0.0 => random(logits, temperature, top_k, top_p, draw()),
            _ => greedy(logits),
        }
    }
}

fn greedy(logits: &[f32]) -> u32 {
    // Blocks keep the search for the largest value free of branches.
    const BLOCK: usize = 256;
    let mut best = (f32::NEG_INFINITY, 0);
    for (block, values) in logits.chunks(BLOCK).enumerate() {
        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if largest > best.0
            && let Some(at) = values.iter().position(|&value| value == largest)
        {
            best = (largest, block * BLOCK + at);
        }
    }
    best.1 as u32
}

fn random(logits: &[f32], temperature: f32, top_k: usize, top_p: f32, draw: f64) -> u32 {
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let logit = |id: u32| logits[id as usize] / temperature;
    let descending = |a: &u32, b: &u32| logit(*b).total_cmp(&logit(*a)).then(a.cmp(b));
    if (1..order.len()).contains(&top_k) {
        order.select_nth_unstable_by(top_k, descending);
        order.truncate(top_k);
    }
    order.sort_unstable_by(descending);
    let largest = order.first().map_or(0.0, |&id| logit(id));
    let mut weights: Vec<f64> = order
        .iter()
        .map(|&id| f64::from(logit(id) - largest).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let mut reached = 0.0;
    let kept = weights.iter().position(|weight| {
        reached += weight;
        reached >= f64::from(top_p) * total
    });
    weights.truncate(kept.map_or(weights.len(), |last| last + 1));

    let mut rest = draw * weights.iter().sum::<f64>();
    let chosen = weights.iter().position(|weight| {
        rest -= weight;
        rest < 0.0
    });
    order[chosen.unwrap_or(weights.len().saturating_sub(1))]
}

/// A number in [0, 1) that depends on nothing but these three.
pub(super) fn draw(seed: u64, prompt: &[u32], step: usize) -> f64 {
    let mut hasher = blake3::Hasher::new_derive_key("xldistill next token");
    hasher
        .update(&seed.to_le_bytes())
        .update(&(step as u64).to_le_bytes());
    for id in prompt {
        hasher.update(&id.to_le_bytes());
    }
    let hash = hasher.finalize();
    let bits = u64::from_le_bytes(std::array::from_fn(|i| hash.as_bytes()[i]));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_equals_in_any_block() {
        let mut logits = vec![0.0; 1000];
        logits[700] = 2.0;
        logits[300] = 2.0;
        assert_eq!(greedy(&logits), 300);
        logits[999] = 2.5;
        assert_eq!(greedy(&logits), 999);
    }

    #[test]
    fn chance_follows_the_probabilities() {
        let logits = [1.0f32.ln(), 3.0f32.ln(), 6.0f32.ln()];
        let count = 20_000;
        let mut counts = [0; 3];
        for step in 0..count {
            counts[random(&logits, 1.0, 0, 1.0, draw(7, &[5], step)) as usize] += 1;
        }
        for (count_of, expected) in counts.iter().zip([0.1, 0.3, 0.6]) {
            let share = f64::from(*count_of) / count as f64;
            assert!(
                (share - expected).abs() < 0.015,
                "{share} instead of {expected}"
            );
        }
    }

    #[test]
    fn filters_keep_the_most_probable_tokens() {
        let logits = [1.0f32.ln(), 3.0f32.ln(), 6.0f32.ln()];
        let seen = |top_k, top_p| {
            let mut seen: Vec<u32> = (0..500)
                .map(|step| random(&logits, 1.0, top_k, top_p, draw(1, &[5, 6], step)))
                .collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        assert_eq!(seen(1, 1.0), [2]);
        assert_eq!(seen(2, 1.0), [1, 2]);
        assert_eq!(seen(0, 0.59), [2]);
        assert_eq!(seen(0, 0.61), [1, 2]);
        assert_eq!(seen(0, 1.0), [0, 1, 2]);
    }

    #[test]
    fn a_low_temperature_is_greedy() {
        let logits = [0.1, 0.5, 0.4];
        assert_eq!(random(&logits, 1e-4, 0, 1.0, 0.999), 1);
    }
}
