//! Which examples meet in which forward pass.
//!
//! Sequences lie one after another on a flat token axis and are isolated by their segments, so
//! there is no padding and packing cannot change a result; it only fills forward passes evenly,
//! with examples that share the beginnings of their prompts where they may.

use std::ops::Range;

use corpus::sampling::Stream;

use crate::config::TrainConfig;
use crate::encode::Encoded;
use crate::shared_prompts::common;

/// The micro batches of one optimiser step, each a list of example indices.
pub type StepPlan = Vec<Vec<usize>>;

/// How many optimiser steps an epoch over `examples` examples takes.
pub fn steps_per_epoch(examples: usize, examples_per_step: usize) -> usize {
    examples.div_ceil(examples_per_step)
}

/// The optimiser steps of one epoch over `examples`: a fixed function of the seed and the epoch's
/// number.
///
/// Examples are shuffled and dealt to steps whose sizes differ by at most one, so that no small
/// last step gives its examples more say than the others'.
pub fn plan_epoch(examples: &[Encoded], config: &TrainConfig, epoch: usize) -> Vec<StepPlan> {
    let order = shuffled(examples.len(), config.seed, epoch);
    let steps = steps_per_epoch(order.len(), config.examples_per_step);
    even_ranges(order.len(), steps)
        .map(|range| {
            let members = &order[range];
            match config.packing {
                true => first_fit_decreasing(members, examples, config),
                false => members.iter().map(|&example| vec![example]).collect(),
            }
        })
        .collect()
}

/// First-fit decreasing bin packing of `members`, indices of `examples`: the longest first, each
/// into the first forward pass with room for what it does not share with one that is there. An
/// example above the budget gets a pass of its own.
pub fn first_fit_decreasing(
    members: &[usize],
    examples: &[Encoded],
    config: &TrainConfig,
) -> Vec<Vec<usize>> {
    let mut longest_first = members.to_vec();
    longest_first.sort_by_key(|&index| (std::cmp::Reverse(examples[index].input_tokens()), index));
    let mut batches: Vec<(usize, Vec<usize>)> = Vec::new();
    for index in longest_first {
        let tokens = examples[index].input_tokens();
        let shared = |batch: &[usize]| {
            let common = |&other: &usize| common(&examples[index], &examples[other]);
            match config.share_prompts {
                true => batch.iter().map(common).max().unwrap_or(0),
                false => 0,
            }
        };
        let room = batches.iter_mut().find_map(|(used, batch)| {
            let with_it = *used + tokens - shared(batch);
            (with_it <= config.tokens_per_batch).then_some((used, batch, with_it))
        });
        match room {
            Some((used, batch, with_it)) => {
                *used = with_it;
                batch.push(index);
            }
            None => batches.push((tokens, vec![index])),
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
    use corpus::record::Subset;

    /// Examples of these input lengths that have nothing in common.
    fn examples(lengths: impl IntoIterator<Item = usize>) -> Vec<Encoded> {
        let encoded = |(number, length): (usize, usize)| Encoded {
            id: number.to_string(),
            subset: Subset::LL,
            ids: vec![number as u32; length + 1],
            answer_start: 2,
            weight: 1.0,
        };
        lengths.into_iter().enumerate().map(encoded).collect()
    }

    fn config(examples_per_step: usize, tokens_per_batch: usize) -> TrainConfig {
        TrainConfig {
            examples_per_step,
            tokens_per_batch,
            seed: 3,
            ..TrainConfig::default()
        }
    }

    fn flat(steps: &[StepPlan]) -> Vec<usize> {
        let mut all: Vec<usize> = steps.iter().flatten().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn every_example_is_seen_once_an_epoch_in_even_steps() {
        let examples = examples((0..50).map(|i| 5 + i * 7 % 23));
        let steps = plan_epoch(&examples, &config(8, 40), 0);
        assert_eq!(flat(&steps), (0..50).collect::<Vec<_>>());
        let sizes: Vec<usize> = steps.iter().map(|s| s.iter().map(Vec::len).sum()).collect();
        assert_eq!(sizes.len(), 7);
        assert!(sizes.iter().all(|size| (7..=8).contains(size)), "{sizes:?}");
        for batch in steps.iter().flatten() {
            let tokens = batch.iter().map(|&e| examples[e].input_tokens());
            assert!(tokens.sum::<usize>() <= 40);
        }
    }

    #[test]
    fn the_order_depends_on_seed_and_epoch_only() {
        let examples = examples([3; 20]);
        let plan = |seed, epoch| {
            let config = TrainConfig {
                seed,
                ..config(4, 100)
            };
            plan_epoch(&examples, &config, epoch)
        };
        assert_eq!(plan(1, 0), plan(1, 0));
        assert_ne!(plan(1, 0), plan(1, 1));
        assert_ne!(plan(1, 0), plan(2, 0));
    }

    #[test]
    fn packing_moves_no_example_to_another_step() {
        let examples = examples((0..30).map(|i| 4 + i % 9));
        let packed = plan_epoch(&examples, &config(6, 25), 2);
        let unpacked = TrainConfig {
            packing: false,
            ..config(6, 25)
        };
        let single = plan_epoch(&examples, &unpacked, 2);
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
        let examples = examples([9, 30, 8]);
        assert_eq!(
            first_fit_decreasing(&[0, 1, 2], &examples, &config(3, 20)),
            [vec![1], vec![0, 2]]
        );
    }

    #[test]
    fn a_shared_prompt_takes_its_room_once() {
        let mut examples = examples([15, 15, 15]);
        for example in &mut examples {
            example.ids = (0..16).collect();
            example.answer_start = 12;
        }
        let pack = |share_prompts| {
            let config = TrainConfig {
                share_prompts,
                ..config(3, 15 + 2 * 4)
            };
            first_fit_decreasing(&[0, 1, 2], &examples, &config)
        };
        assert_eq!(pack(true), [vec![0, 1, 2]]);
        assert_eq!(pack(false), [vec![0], vec![1], vec![2]]);
    }
}
