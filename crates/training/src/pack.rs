//! Which examples meet in which forward pass.
//!
//! Sequences lie one after another on a flat token axis and are isolated by their segments, so
//! there is no padding and packing cannot change a result; it only fills forward passes evenly.

use std::ops::Range;

use corpus::sampling::Stream;

/// The micro batches of one optimiser step, each a list of example indices.
pub type StepPlan = Vec<Vec<usize>>;

/// How many optimiser steps an epoch over `examples` examples takes.
pub fn steps_per_epoch(examples: usize, examples_per_step: usize) -> usize {
    examples.div_ceil(examples_per_step)
}

/// The optimiser steps of one epoch: a fixed function of the seed and the epoch's number.
///
/// Examples are shuffled and dealt to steps whose sizes differ by at most one, so that no small
/// last step gives its examples more say than the others'. `lengths` are the examples' tokens.
pub fn plan_epoch(
    lengths: &[usize],
    examples_per_step: usize,
    token_budget: usize,
    packing: bool,
    seed: u64,
    epoch: usize,
) -> Vec<StepPlan> {
    let order = shuffled(lengths.len(), seed, epoch);
    even_ranges(order.len(), steps_per_epoch(order.len(), examples_per_step))
        .map(|range| {
            let examples = &order[range];
            if packing {
                first_fit_decreasing(examples, lengths, token_budget)
            } else {
                examples.iter().map(|&example| vec![example]).collect()
            }
        })
        .collect()
}

/// First-fit decreasing bin packing: the longest example first, each into the first batch with
/// room. A single example above the budget gets a batch of its own.
pub fn first_fit_decreasing(
    examples: &[usize],
    lengths: &[usize],
    token_budget: usize,
) -> Vec<Vec<usize>> {
    let mut longest_first = examples.to_vec();
    longest_first.sort_by_key(|&example| (std::cmp::Reverse(lengths[example]), example));
    let mut batches: Vec<(usize, Vec<usize>)> = Vec::new();
    for example in longest_first {
        let length = lengths[example];
        match batches
            .iter_mut()
            .find(|(used, _)| used + length <= token_budget)
        {
            Some((used, batch)) => {
                *used += length;
                batch.push(example);
            }
            None => batches.push((length, vec![example])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

/// Fisher-Yates over `0..len`.
fn shuffled(len: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut stream = Stream::for_id(seed, "epoch order", &epoch.to_string());
    let mut order: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        order.swap(last, stream.choose(last + 1));
    }
    order
}

/// `0..len` cut into `parts` consecutive ranges whose sizes differ by at most one.
fn even_ranges(len: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    (0..parts).map(move |part| part * len / parts..(part + 1) * len / parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(steps: &[StepPlan]) -> Vec<usize> {
        let mut all: Vec<usize> = steps.iter().flatten().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn every_example_is_seen_once_an_epoch_in_even_steps() {
        let lengths: Vec<usize> = (0..50).map(|i| 5 + i * 7 % 23).collect();
        let steps = plan_epoch(&lengths, 8, 40, true, 3, 0);
        assert_eq!(flat(&steps), (0..50).collect::<Vec<_>>());
        let sizes: Vec<usize> = steps.iter().map(|s| s.iter().map(Vec::len).sum()).collect();
        assert_eq!(sizes.len(), 7);
        assert!(sizes.iter().all(|size| (7..=8).contains(size)), "{sizes:?}");
        for batch in steps.iter().flatten() {
            assert!(batch.iter().map(|&e| lengths[e]).sum::<usize>() <= 40);
        }
    }

    #[test]
    fn the_order_depends_on_seed_and_epoch_only() {
        let lengths = vec![3; 20];
        let plan = |seed, epoch| plan_epoch(&lengths, 4, 100, true, seed, epoch);
        assert_eq!(plan(1, 0), plan(1, 0));
        assert_ne!(plan(1, 0), plan(1, 1));
        assert_ne!(plan(1, 0), plan(2, 0));
    }

    #[test]
    fn packing_moves_no_example_to_another_step() {
        let lengths: Vec<usize> = (0..30).map(|i| 4 + i % 9).collect();
        let packed = plan_epoch(&lengths, 6, 25, true, 9, 2);
        let single = plan_epoch(&lengths, 6, 25, false, 9, 2);
        let members = |steps: &[StepPlan]| -> Vec<Vec<usize>> {
            steps
                .iter()
                .map(|step| flat(std::slice::from_ref(step)))
                .collect()
        };
        assert_eq!(members(&packed), members(&single));
        assert!(single.iter().flatten().all(|batch| batch.len() == 1));
    }

    #[test]
    fn an_example_above_the_budget_is_alone() {
        assert_eq!(
            first_fit_decreasing(&[0, 1, 2], &[9, 30, 8], 20),
            [vec![1], vec![0, 2]]
        );
    }
}
