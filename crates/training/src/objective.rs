//! The objective of section 3.2.5 as a weight for every token.
//!
//! L = Σ_{d ∈ U} 1/|D_d| Σ_{(x,y) ∈ D_d} ℓ_CE(M(x), y). A mean over the N examples in which those
//! of subset d weigh w_d = N / (|U|·|D_d|) is L / |U|. An optimiser step takes that mean over its
//! own examples; since the weight of each token is fixed by its example and by the number of
//! examples in the step, the split into micro batches cannot change the sum.

use std::collections::BTreeMap;

use corpus::record::Subset;

use crate::config::Reduction;
use crate::encode::Encoded;

/// Turns examples into token weights.
#[derive(Debug, Clone)]
pub struct Objective {
    reduction: Reduction,
    /// Mean number of answer tokens of the examples of each subset.
    mean_answer_tokens: BTreeMap<Subset, f64>,
}

impl Objective {
    /// The objective over the training set `examples`.
    pub fn new(reduction: Reduction, examples: &[Encoded]) -> Self {
        let mut totals: BTreeMap<Subset, (f64, f64)> = BTreeMap::new();
        for example in examples {
            let (count, tokens) = totals.entry(example.subset).or_default();
            *count += 1.0;
            *tokens += example.answer_tokens() as f64;
        }
        let mean_answer_tokens = totals
            .into_iter()
            .map(|(subset, (count, tokens))| (subset, tokens / count))
            .collect();
        Self {
            reduction,
            mean_answer_tokens,
        }
    }

    /// The factor of the cross-entropy of each answer token of `example` in an optimiser step over
    /// `examples_in_step` examples.
    ///
    /// With [`Reduction::Token`], N/(|U|·T_d) for a subset of T_d answer tokens: the example's own
    /// token count gives way to the subset's mean.
    pub fn token_weight(&self, example: &Encoded, examples_in_step: usize) -> f64 {
        let tokens = match self.reduction {
            Reduction::Example => example.answer_tokens() as f64,
            Reduction::Token => self
                .mean_answer_tokens
                .get(&example.subset)
                .copied()
                .unwrap_or(example.answer_tokens() as f64),
        };
        example.weight / tokens / examples_in_step as f64
    }
}

/// The weights of the examples that `kept` lets through, changed so that every subset has the
/// share of the loss that it had before: Σ w over a subset, relative to Σ w over all.
///
/// For w_d = N/(|U|·|D_d|) this gives N'/(|U|·|D'_d|) with the counts of what is left. The share of
/// a subset of which nothing is left goes to the others.
pub fn rebalance(weights: &[(Subset, f64)], kept: &[bool]) -> Vec<f64> {
    let mut before: BTreeMap<Subset, f64> = BTreeMap::new();
    let mut after: BTreeMap<Subset, f64> = BTreeMap::new();
    for (&(subset, weight), &kept) in weights.iter().zip(kept) {
        *before.entry(subset).or_default() += weight;
        if kept {
            *after.entry(subset).or_default() += weight;
        }
    }
    let total: f64 = before.values().sum();
    let total_of_remaining: f64 = after.keys().map(|subset| before[subset]).sum();
    let remaining_examples = kept.iter().filter(|kept| **kept).count() as f64;
    let examples = remaining_examples / weights.len() as f64;
    let lost_share = total / total_of_remaining;
    weights
        .iter()
        .zip(kept)
        .filter(|(_, kept)| **kept)
        .map(|(&(subset, weight), _)| {
            weight * before[&subset] / after[&subset] * examples * lost_share
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(subset: Subset, answer_tokens: usize, weight: f64) -> Encoded {
        Encoded {
            id: String::new(),
            subset,
            ids: vec![0; 2 + answer_tokens],
            answer_start: 2,
            weight,
        }
    }

    /// 2 of LL, 3 of mt, 1 of comp, with the weights of the mix stage.
    fn training_set() -> Vec<Encoded> {
        [
            (Subset::LL, [3, 9].as_slice()),
            (Subset::Mt, &[1, 2, 6]),
            (Subset::Comp, &[5]),
        ]
        .into_iter()
        .flat_map(|(subset, lengths)| {
            let weight = 6.0 / (3.0 * lengths.len() as f64);
            lengths
                .iter()
                .map(move |&length| example(subset, length, weight))
        })
        .collect()
    }

    /// A made-up cross-entropy of each answer token.
    fn cross_entropy(example: usize, token: usize) -> f64 {
        1.0 + (example * 7 + token * 3) as f64 % 5.0
    }

    fn weighted_mean(examples: &[Encoded], reduction: Reduction) -> f64 {
        let objective = Objective::new(reduction, examples);
        let mut sum = 0.0;
        for (i, example) in examples.iter().enumerate() {
            let weight = objective.token_weight(example, examples.len());
            let total: f64 = (0..example.answer_tokens())
                .map(|t| cross_entropy(i, t))
                .sum();
            sum += weight * total;
        }
        sum
    }

    #[test]
    fn the_weighted_mean_is_the_objective_of_the_paper() {
        let examples = training_set();
        let mut subset_losses: BTreeMap<Subset, Vec<f64>> = BTreeMap::new();
        for (i, example) in examples.iter().enumerate() {
            let n = example.answer_tokens();
            let mean = (0..n).map(|t| cross_entropy(i, t)).sum::<f64>() / n as f64;
            subset_losses.entry(example.subset).or_default().push(mean);
        }
        let objective: f64 = subset_losses
            .values()
            .map(|losses| losses.iter().sum::<f64>() / losses.len() as f64)
            .sum();
        let mean = weighted_mean(&examples, Reduction::Example);
        assert!((mean * 3.0 - objective).abs() < 1e-12, "{mean} {objective}");
    }

    #[test]
    fn token_reduction_gives_every_answer_token_of_a_subset_the_same_say() {
        let examples = training_set();
        let mut subset_tokens: BTreeMap<Subset, Vec<f64>> = BTreeMap::new();
        for (i, example) in examples.iter().enumerate() {
            let tokens = (0..example.answer_tokens()).map(|t| cross_entropy(i, t));
            subset_tokens
                .entry(example.subset)
                .or_default()
                .extend(tokens);
        }
        let objective: f64 = subset_tokens
            .values()
            .map(|tokens| tokens.iter().sum::<f64>() / tokens.len() as f64)
            .sum();
        let mean = weighted_mean(&examples, Reduction::Token);
        assert!((mean * 3.0 - objective).abs() < 1e-12, "{mean} {objective}");
    }

    #[test]
    fn dropped_examples_leave_their_subset_its_share() {
        let weights: Vec<(Subset, f64)> = training_set()
            .iter()
            .map(|e| (e.subset, e.weight))
            .collect();
        let kept = [true, true, false, true, false, true];
        // 4 examples remain: 2 of LL, 1 of mt, 1 of comp.
        let expected = [4.0 / 6.0, 4.0 / 6.0, 4.0 / 3.0, 4.0 / 3.0];
        for (weight, expected) in rebalance(&weights, &kept).iter().zip(expected) {
            assert!((weight - expected).abs() < 1e-12);
        }
        let without_comp = rebalance(&weights, &[true, true, true, true, true, false]);
        assert!((without_comp.iter().sum::<f64>() - 5.0).abs() < 1e-12);
        assert!((without_comp[0] - 5.0 / 4.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_dropped_changes_nothing() {
        let weights: Vec<(Subset, f64)> = training_set()
            .iter()
            .map(|e| (e.subset, e.weight))
            .collect();
        let same = rebalance(&weights, &[true; 6]);
        assert!(
            same.iter()
                .zip(&weights)
                .all(|(a, (_, b))| (a - b).abs() < 1e-12)
        );
    }
}
