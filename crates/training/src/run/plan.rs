//! Assigns items to forward passes.
//!
//! Sequences lie one after another on a flat token axis and are isolated by their segments. There
//! is no padding, so packing cannot change a result; it only fills forward passes evenly and, if
//! possible, with items that share computation.

use std::cmp::Reverse;
use std::ops::Range;

use corpus::sampling::Stream;

/// The micro batches of one optimiser step, each a list of items.
pub type StepPlan = Vec<Vec<usize>>;

/// Number of optimiser steps in an epoch over `items` items.
pub fn steps_per_epoch(items: usize, items_per_step: usize) -> usize {
    items.div_ceil(items_per_step)
}

/// The items of each optimiser step of one epoch: shuffled, and distributed over steps whose sizes
/// differ by at most one, so that no small last step gives its items more influence than others.
pub fn shuffled_steps(
    items: usize,
    items_per_step: usize,
    seed: u64,
    epoch: usize,
) -> Vec<Vec<usize>> {
    let order = shuffled(items, seed, epoch);
    even_ranges(items, steps_per_epoch(items, items_per_step))
        .map(|range| order[range].to_vec())
        .collect()
}

/// First-fit decreasing bin packing of `members`: longest first, each into the first forward pass
/// that stays within `budget` tokens; an item larger than the budget gets a pass of its own.
///
/// `cost` returns the number of tokens that an item adds to a pass over some other items.
pub fn pack(members: &[usize], budget: usize, cost: impl Fn(usize, &[usize]) -> usize) -> StepPlan {
    let mut longest_first: Vec<(usize, usize)> = members
        .iter()
        .map(|&item| (cost(item, &[]), item))
        .collect();
    longest_first.sort_by_key(|&(tokens, item)| (Reverse(tokens), item));
    let mut batches: Vec<(usize, Vec<usize>)> = Vec::new();
    for (tokens, item) in longest_first {
        let room = batches.iter_mut().find_map(|(used, batch)| {
            let with_it = *used + cost(item, batch);
            (with_it <= budget).then_some((used, batch, with_it))
        });
        match room {
            Some((used, batch, with_it)) => {
                *used = with_it;
                batch.push(item);
            }
            None => batches.push((tokens, vec![item])),
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

/// Splits `0..len` into `parts` consecutive ranges whose sizes differ by at most one.
pub(crate) fn even_ranges(len: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    (0..parts).map(move |part| part * len / parts..(part + 1) * len / parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(batches: &[Vec<usize>]) -> Vec<usize> {
        let mut all = batches.concat();
        all.sort_unstable();
        all
    }

    #[test]
    fn every_item_is_seen_once_an_epoch_in_even_steps() {
        let steps = shuffled_steps(50, 8, 3, 0);
        assert_eq!(sorted(&steps), (0..50).collect::<Vec<_>>());
        assert_eq!(steps.len(), steps_per_epoch(50, 8));
        let sizes: Vec<usize> = steps.iter().map(Vec::len).collect();
        assert!(sizes.iter().all(|size| (7..=8).contains(size)), "{sizes:?}");
    }

    #[test]
    fn the_order_depends_on_seed_and_epoch_only() {
        let steps = |seed, epoch| shuffled_steps(20, 4, seed, epoch);
        assert_eq!(steps(1, 0), steps(1, 0));
        assert_ne!(steps(1, 0), steps(1, 1));
        assert_ne!(steps(1, 0), steps(2, 0));
    }

    #[test]
    fn passes_stay_within_the_budget_and_lose_nothing() {
        let lengths: Vec<usize> = (0..30).map(|i| 4 + i * 7 % 9).collect();
        let members: Vec<usize> = (0..30).collect();
        let batches = pack(&members, 25, |item, _| lengths[item]);
        assert_eq!(sorted(&batches), members);
        for batch in &batches {
            assert!(batch.iter().map(|&item| lengths[item]).sum::<usize>() <= 25);
        }
    }

    #[test]
    fn an_item_above_the_budget_is_alone() {
        let lengths = [9, 30, 8];
        let batches = pack(&[0, 1, 2], 20, |item, _| lengths[item]);
        assert_eq!(batches, [vec![1], vec![0, 2]]);
    }

    #[test]
    fn shared_work_takes_its_room_once() {
        let shared = |_: usize, beside: &[usize]| if beside.is_empty() { 15 } else { 4 };
        assert_eq!(pack(&[0, 1, 2], 23, shared), [vec![0, 1, 2]]);
        assert_eq!(pack(&[0, 1, 2], 23, |_, _| 15), [vec![0], vec![1], vec![2]]);
    }
}
