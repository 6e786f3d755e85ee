//! The objective of section 3.2.5, as a weight for every token.
//!
//! L = Σ_{d ∈ U} 1/|D_d| Σ_{(x,y) ∈ D_d} ℓ_CE(M(x), y). This equals |U| times a mean over the N
//! examples in which those of subset d have weight w_d = N / (|U|·|D_d|). N, U and |D_d| count the
//! examples that are trained on, after those that are too long were dropped, so that every subset
//! keeps its share. An optimiser step takes the mean over its own examples. Since the weight of
//! each token depends only on its example and on the number of examples in the step, the split into
//! micro batches cannot change the sum. If the examples of a step are drawn from each subset in turn
//! ([`Balance::Sampling`]), the mean over them has the same expectation with all weights 1.

use std::collections::BTreeMap;

use corpus::record::Subset;

use super::config::{Balance, Reduction, TrainConfig};
use super::encode::Encoded;

/// The weight w_d of the examples of each subset, given the subset of every example.
pub fn weights(subsets: impl IntoIterator<Item = Subset>) -> BTreeMap<Subset, f64> {
    let mut sizes: BTreeMap<Subset, u64> = BTreeMap::new();
    for subset in subsets {
        *sizes.entry(subset).or_default() += 1;
    }
    let (examples, subsets) = (sizes.values().sum::<u64>() as f64, sizes.len() as f64);
    let weight = |size: u64| examples / (subsets * size as f64);
    sizes
        .into_iter()
        .map(|(d, size)| (d, weight(size)))
        .collect()
}

/// Assigns weights to the answer tokens of examples.
#[derive(Debug, Clone)]
pub struct Objective {
    reduction: Reduction,
    balance: Balance,
    weights: BTreeMap<Subset, f64>,
    /// Mean number of answer tokens of the examples of each subset.
    mean_answer_tokens: BTreeMap<Subset, f64>,
}

impl Objective {
    /// The objective over all of `examples` with the reduction and balance of `config`.
    pub fn new(config: &TrainConfig, examples: &[Encoded]) -> Self {
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
            reduction: config.reduction,
            balance: config.balance,
            weights: weights(examples.iter().map(|example| example.subset)),
            mean_answer_tokens,
        }
    }

    /// The weight w_d of the subset of `example`, which must be one of the objective's examples.
    pub fn weight(&self, example: &Encoded) -> f64 {
        self.weights[&example.subset]
    }

    /// The weight of each answer token of `example`, one of the objective's examples, in an
    /// optimiser step over `examples_in_step` examples.
    ///
    /// With [`Reduction::Token`], this is N/(|U|·T_d) for a subset of T_d answer tokens: the
    /// subset's mean token count replaces that of the example.
    pub fn token_weight(&self, example: &Encoded, examples_in_step: usize) -> f64 {
        let tokens = match self.reduction {
            Reduction::Example => example.answer_tokens() as f64,
            Reduction::Token => self.mean_answer_tokens[&example.subset],
        };
        let weight = match self.balance {
            Balance::Weights => self.weight(example),
            Balance::Sampling => 1.0,
        };
        weight / tokens / examples_in_step as f64
    }

    /// Mean number of answer tokens of an optimiser step of `examples` examples of the training set,
    /// which has `all` of them.
    pub fn answer_tokens_per_step(&self, examples: f64, all: &[Encoded]) -> f64 {
        let mean = match self.balance {
            Balance::Weights => {
                let total: usize = all.iter().map(Encoded::answer_tokens).sum();
                total as f64 / all.len() as f64
            }
            Balance::Sampling => {
                let means = self.mean_answer_tokens.values();
                means.sum::<f64>() / self.mean_answer_tokens.len() as f64
            }
        };
        examples * mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(subset: Subset, answer_tokens: usize) -> Encoded {
        Encoded {
            id: String::new(),
            subset,
            ids: vec![0; 2 + answer_tokens],
            answer_start: 2,
            teacher_prompt: None,
        }
    }

    /// 2 of LL, 3 of mt, 1 of comp.
    fn training_set() -> Vec<Encoded> {
        [
            (Subset::LL, [3, 9].as_slice()),
            (Subset::Mt, &[1, 2, 6]),
            (Subset::Comp, &[5]),
        ]
        .into_iter()
        .flat_map(|(subset, lengths)| lengths.iter().map(move |&length| example(subset, length)))
        .collect()
    }

    /// An invented cross-entropy for each answer token.
    fn cross_entropy(example: usize, token: usize) -> f64 {
        1.0 + (example * 7 + token * 3) as f64 % 5.0
    }

    fn weighted_mean(examples: &[Encoded], reduction: Reduction) -> f64 {
        let config = TrainConfig {
            reduction,
            ..TrainConfig::default()
        };
        let objective = Objective::new(&config, examples);
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
    fn every_subset_has_the_same_share_whatever_its_size() {
        let all = || training_set().into_iter().map(|example| example.subset);
        // 2 of LL, 3 of mt, 1 of comp.
        let expected = [
            (Subset::LL, 1.0),
            (Subset::Mt, 6.0 / 9.0),
            (Subset::Comp, 2.0),
        ];
        assert_eq!(weights(all()), BTreeMap::from(expected));
        let without_comp = weights(all().filter(|subset| *subset != Subset::Comp));
        let expected = [(Subset::LL, 5.0 / 4.0), (Subset::Mt, 5.0 / 6.0)];
        assert_eq!(without_comp, BTreeMap::from(expected));
    }
}
