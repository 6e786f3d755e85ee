//! Which examples meet in an optimiser step.

use std::collections::BTreeMap;

use corpus::record::Subset;
use corpus::sampling::Stream;

use super::config::{Balance, Together, TrainConfig};
use super::encode::Encoded;
use crate::run::{even_ranges, shuffled_steps, steps_per_epoch};

/// The examples of each optimiser step of an epoch.
pub fn steps(examples: &[Encoded], config: &TrainConfig, epoch: usize) -> Vec<Vec<usize>> {
    let (size, seed) = (config.examples_per_step, config.seed);
    match (config.balance, config.together) {
        (Balance::Sampling, _) => sampled(examples, size, seed, epoch),
        (Balance::Weights, Together::Question) => grouped(examples, size, seed, epoch),
        (Balance::Weights, Together::None) => shuffled_steps(examples.len(), size, seed, epoch),
    }
}

/// Takes the subsets in turn. Each is read through again and again, in another order every time, and
/// goes on in the next epoch where it was.
fn sampled(examples: &[Encoded], size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let mut subsets: BTreeMap<Subset, Vec<usize>> = BTreeMap::new();
    for (index, example) in examples.iter().enumerate() {
        subsets.entry(example.subset).or_default().push(index);
    }
    let subsets: Vec<(Subset, Vec<usize>)> = subsets.into_iter().collect();
    let mut orders: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    let count = examples.len();
    let mut draw = |place: usize| {
        let (turn, number) = (place % subsets.len(), place / subsets.len());
        let (subset, members) = &subsets[turn];
        let (pass, at) = (number / members.len(), number % members.len());
        let order = orders.entry((turn, pass)).or_insert_with(|| {
            let id = format!("{}/{pass}", subset.name());
            shuffled(members.clone(), Stream::for_id(seed, "subset order", &id))
        });
        order[at]
    };
    even_ranges(count, steps_per_epoch(count, size))
        .map(|range| range.map(|place| draw(epoch * count + place)).collect())
        .collect()
}

/// Keeps the examples of a question together. A step is at least as large as the largest question.
fn grouped(examples: &[Encoded], size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, example) in examples.iter().enumerate() {
        groups.entry(question(example)).or_default().push(index);
    }
    let largest = groups.values().map(Vec::len).max().unwrap_or(1);
    let count = examples.len();
    let number = (count / size.max(largest)).max(1);
    let stream = Stream::for_id(seed, "question order", &epoch.to_string());
    let groups = shuffled(groups.into_values().collect(), stream);
    let mut steps = vec![Vec::new(); number];
    let mut before = 0;
    for group in groups {
        // As wide as the largest question, every step has the beginning of one.
        steps[before * number / count].extend(&group);
        before += group.len();
    }
    steps
}

/// The question that an example is a form of: `id/language/subset`, or `id/language/subset/own` if
/// the answer is the LLM's own beside a given one; an example of another kind is alone.
fn question(example: &Encoded) -> &str {
    let id = example.id.strip_suffix("/own").unwrap_or(&example.id);
    let question = || {
        let id = id.strip_suffix(example.subset.name())?.strip_suffix('/')?;
        Some(id.rsplit_once('/')?.0)
    };
    match example.subset {
        Subset::Mt | Subset::Comp | Subset::Native => &example.id,
        _ => question().unwrap_or(&example.id),
    }
}

/// Fisher-Yates.
fn shuffled<T>(mut items: Vec<T>, mut stream: Stream) -> Vec<T> {
    for last in (1..items.len()).rev() {
        items.swap(last, stream.choose(last + 1));
    }
    items
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn example(id: String, subset: Subset) -> Encoded {
        Encoded {
            id,
            subset,
            ids: vec![1, 2, 3],
            answer_start: 1,
            teacher_prompt: None,
        }
    }

    /// 30 questions in four forms, 4 pairs in both directions, 3 completions.
    fn examples() -> Vec<Encoded> {
        let mut examples = Vec::new();
        for subset in [Subset::LL, Subset::TL, Subset::LT, Subset::TT] {
            let id = |n| format!("set/{n}/por_Latn/{}", subset.name());
            examples.extend((0..30).map(|n| example(id(n), subset)));
        }
        let pairs = (0..8).map(|n| example(format!("pair/por_Latn/{n}/mt/x"), Subset::Mt));
        examples.extend(pairs);
        examples.extend((0..3).map(|n| example(format!("text/{n}/comp"), Subset::Comp)));
        examples
    }

    fn config(balance: Balance, together: Together) -> TrainConfig {
        TrainConfig {
            balance,
            together,
            examples_per_step: 12,
            ..TrainConfig::default()
        }
    }

    #[test]
    fn sampling_gives_every_subset_the_same_number_of_examples_in_every_step() {
        let (examples, config) = (examples(), config(Balance::Sampling, Together::None));
        let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
        for epoch in 0..4 {
            let steps = steps(&examples, &config, epoch);
            assert_eq!(steps.len(), examples.len().div_ceil(12));
            assert_eq!(steps, super::steps(&examples, &config, epoch));
            for step in &steps {
                let mut counts: BTreeMap<Subset, usize> = BTreeMap::new();
                for &item in step {
                    *counts.entry(examples[item].subset).or_default() += 1;
                    *seen.entry(item).or_default() += 1;
                }
                let (least, most) = (counts.values().min(), counts.values().max());
                assert!(
                    counts.len() == 6 && most.unwrap() - least.unwrap() <= 1,
                    "{counts:?}"
                );
            }
        }
        // 131 examples, 4 epochs, 6 subsets: 87 draws of each.
        for (subset, members, each) in [
            (Subset::LL, 30, 2),
            (Subset::Mt, 8, 10),
            (Subset::Comp, 3, 29),
        ] {
            let of = seen
                .iter()
                .filter(|(item, _)| examples[**item].subset == subset);
            let counts: Vec<usize> = of.map(|(_, count)| *count).collect();
            assert_eq!(counts.len(), members, "{subset:?}");
            assert!(
                counts.iter().all(|count| (each..=each + 1).contains(count)),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn the_forms_of_a_question_meet_in_a_step() {
        let (examples, config) = (examples(), config(Balance::Weights, Together::Question));
        let first = steps(&examples, &config, 0);
        for epoch in 0..3 {
            let steps = steps(&examples, &config, epoch);
            assert_eq!(steps.len(), first.len());
            let mut all = steps.concat();
            all.sort_unstable();
            assert_eq!(all, (0..examples.len()).collect::<Vec<_>>());
            for step in &steps {
                assert!((8..=17).contains(&step.len()), "{}", step.len());
                let of_questions = step
                    .iter()
                    .filter(|&&item| examples[item].subset < Subset::Mt);
                let of_questions: Vec<&str> = of_questions
                    .map(|&item| question(&examples[item]))
                    .collect();
                let distinct: BTreeSet<&str> = of_questions.iter().copied().collect();
                assert_eq!(of_questions.len(), 4 * distinct.len());
            }
        }
        assert_ne!(first, steps(&examples, &config, 1));
    }

    #[test]
    fn a_step_is_never_empty() {
        let examples: Vec<Encoded> = examples().into_iter().take(120).collect();
        let small = TrainConfig {
            examples_per_step: 2,
            ..config(Balance::Weights, Together::Question)
        };
        let steps = steps(&examples, &small, 0);
        assert_eq!(steps.len(), 30);
        assert!(steps.iter().all(|step| step.len() == 4));
    }
    #[test]
    fn a_native_text_is_no_form_of_another() {
        let [one, other] =
            [1, 2].map(|n| example(format!("native/por_Latn/{n}/native"), Subset::Native));
        assert_ne!(question(&one), question(&other));
    }
}
