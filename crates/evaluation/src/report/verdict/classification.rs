//! The verdict on classifiers, from their accuracy in each language.
//!
//! 1. The first system is compared with every other, language by language: better or worse if the
//!    paired test on the same rows says so.
//! 2. A language in which the interval of its accuracy includes that of always saying the most
//!    frequent label has not been learnt.
//! 3. If no single language differs, the interval of the mean over languages decides.
//! 4. Better than the first of the others (for MT-LLM the encoder alone) is what the method is for.

use super::{Finding, Outcome, RunVerdict, listed};
use crate::classification::{ACCURACY, LLM_ZERO_SHOT, Lead, MT_LLM, MT_LLM_CENTRED, SystemRecord};
use crate::report::classification::{Board, comparison, score};
use crate::report::scores::Verdict;
use crate::report::titles;
use crate::task::SHARE;

/// Mean fall of accuracy from the language of training to the others that calls for action.
const GAP: f64 = 0.15;

pub(super) fn verdict(boards: &[Board<'_>]) -> Option<RunVerdict> {
    let (mut better, mut worse, mut advice) = (Vec::new(), Vec::new(), Vec::new());
    for board in boards {
        let main = board.main()?;
        for system in board.systems.iter().skip(1) {
            let [ahead, behind] =
                [Verdict::Better, Verdict::Worse].map(|verdict| languages(board, system, verdict));
            let difference = mean_difference(board, main, system);
            let than = |word: &str, languages: &[String]| Finding {
                task: board.title.clone(),
                measure: ACCURACY.to_owned(),
                text: format!(
                    "{}: {word} than {} in {}{difference}",
                    board.title,
                    system.title,
                    named(languages, board.sets.len())
                ),
            };
            if ahead.is_empty()
                && behind.is_empty()
                && let Some(lead) = lead(board, system).filter(Lead::is_significant)
            {
                let (word, found) = match lead.difference > 0.0 {
                    true => ("better", &mut better),
                    false => ("worse", &mut worse),
                };
                found.push(Finding {
                    task: board.title.clone(),
                    measure: ACCURACY.to_owned(),
                    text: format!(
                        "{}: {word} than {} on average, in no single language significantly{difference}",
                        board.title, system.title
                    ),
                });
            }
            if !ahead.is_empty() {
                better.push(than("better", &ahead));
            }
            if !behind.is_empty() {
                worse.push(than("worse", &behind));
                add(&mut advice, remedy(board, system, &behind));
            }
        }
        let unlearnt = at_chance(board, main);
        if !unlearnt.is_empty() {
            worse.push(Finding {
                task: board.title.clone(),
                measure: ACCURACY.to_owned(),
                text: format!(
                    "{}: no better than the most frequent label in {}",
                    board.title,
                    named(&unlearnt, board.sets.len())
                ),
            });
            add(
                &mut advice,
                match unlearnt.len() == board.sets.len() {
                    true => {
                        "Nothing was learnt: raise the learning rate or the number of epochs or \
                         steps, and check that the labels of training and test mean the same."
                            .to_owned()
                    }
                    false => {
                        "Languages at chance: check that the encoder knows them and that their \
                          files are in the language that they are named after."
                            .to_owned()
                    }
                },
            );
        } else if board.systems.len() == 1 {
            better.push(Finding {
                task: board.title.clone(),
                measure: ACCURACY.to_owned(),
                text: format!(
                    "{}: better than the most frequent label in every language",
                    board.title
                ),
            });
        }
        if let Some(gap) = gap(board, main).filter(|gap| *gap > GAP) {
            let remedy = match [MT_LLM.name, MT_LLM_CENTRED.name].contains(&main.name.as_str()) {
                true => {
                    "add text to stage 1, or take an encoder that is stronger in these languages"
                }
                false => "take a model that is stronger in these languages",
            };
            add(
                &mut advice,
                format!(
                    "Accuracy is {} lower outside the language of training: {remedy}.",
                    titles::difference(-gap, SHARE).trim_start_matches('−')
                ),
            );
        }
    }
    let outcome = Outcome::of(&better, &worse);
    let main = boards.first()?.main()?;
    Some(RunVerdict {
        outcome,
        summary: summary(boards, main, outcome),
        better,
        worse,
        advice,
    })
}

/// The languages in which the paired test against `system` has this verdict.
fn languages(board: &Board<'_>, system: &SystemRecord, verdict: Verdict) -> Vec<String> {
    let sets = board.sets.iter().filter(|set| {
        let compared = comparison(set, &system.name, ACCURACY);
        compared.is_some_and(|one| Verdict::of(&one.test, Some(true)) == verdict)
    });
    sets.map(|set| set.language.name.clone()).collect()
}

/// The languages in which `main` is no better than the most frequent label.
fn at_chance(board: &Board<'_>, main: &SystemRecord) -> Vec<String> {
    let sets = board.sets.iter().filter(|set| {
        score(set, &main.name, ACCURACY)
            .is_some_and(|measured| measured.confidence.low <= set.chance.majority)
    });
    sets.map(|set| set.language.name.clone()).collect()
}

fn mean_difference(board: &Board<'_>, main: &SystemRecord, system: &SystemRecord) -> String {
    let means = (
        board.mean(&main.name, ACCURACY),
        board.mean(&system.name, ACCURACY),
    );
    match means {
        (Some(own), Some(other)) if board.transfer().len() > 1 => {
            let of = if board.of_source > 0 {
                "the other"
            } else {
                "all"
            };
            let interval = lead(board, system).map(|lead| {
                let interval = titles::difference_interval(&lead.confidence);
                format!(", 95 %: {interval}")
            });
            format!(
                " (mean over {of} languages {}{})",
                titles::difference(own - other, SHARE),
                interval.unwrap_or_default()
            )
        }
        _ => String::new(),
    }
}

/// The first system's mean over the other languages minus that of `system`.
fn lead(board: &Board<'_>, system: &SystemRecord) -> Option<Lead> {
    board.language_mean(&system.name, ACCURACY)?.lead
}

/// Accuracy in the language of training minus the mean over the others.
fn gap(board: &Board<'_>, main: &SystemRecord) -> Option<f64> {
    let source = board.sets.first().filter(|_| board.of_source > 0)?;
    let own = score(source, &main.name, ACCURACY)?.score;
    Some(own - board.mean(&main.name, ACCURACY)?)
}

/// Up to three names, or how many there are.
fn named(languages: &[String], of: usize) -> String {
    match languages.len() {
        count if count == of && of > 1 => format!("all {of} languages"),
        0..=3 => listed(languages),
        count => format!("{count} of {of} languages"),
    }
}

/// What to do if the first system is worse than `system`.
fn remedy(board: &Board<'_>, system: &SystemRecord, behind: &[String]) -> String {
    let source = board.sets.first().filter(|_| board.of_source > 0);
    let in_source = source.is_some_and(|set| behind.contains(&set.language.name));
    match system.name == LLM_ZERO_SHOT.name && in_source {
        true => "The stack lost accuracy in the language of training: distil for longer \
                 (`distill.training`), or use the LLM itself for this language."
            .to_owned(),
        false => format!(
            "Where {} is better, use it, or train the stack for longer: more text in stage 1 \
             (`adapt.training`) comes first, then more steps in `distill.training`.",
            system.title
        ),
    }
}

fn add(advice: &mut Vec<String>, line: String) {
    if !advice.contains(&line) {
        advice.push(line);
    }
}

/// The systems besides `reference` that the first one is somewhere better than, and nowhere worse.
fn bettered(boards: &[Board<'_>], reference: &SystemRecord) -> Vec<String> {
    let mut titles = Vec::new();
    for board in boards {
        for system in board.systems.iter().skip(1) {
            let has = |verdict| !languages(board, system, verdict).is_empty();
            let is_bettered = has(Verdict::Better) && !has(Verdict::Worse);
            if system.name != reference.name && is_bettered && !titles.contains(&system.title) {
                titles.push(system.title.clone());
            }
        }
    }
    titles
}

fn summary(boards: &[Board<'_>], main: &SystemRecord, outcome: Outcome) -> String {
    let reference = boards.iter().find_map(Board::reference);
    let Some(reference) = reference else {
        return match outcome {
            Outcome::Better => format!("{} learnt the task in every language.", main.title),
            Outcome::Mixed => format!(
                "{} learnt some tasks, but not in every language.",
                main.title
            ),
            _ => format!("{} did not learn the task in every language.", main.title),
        };
    };
    let count = |verdict| -> usize {
        let counts = boards.iter().filter_map(|board| {
            let reference = board.reference()?;
            Some(languages(board, reference, verdict).len())
        });
        counts.sum()
    };
    let sets: usize = boards.iter().map(|board| board.sets.len()).sum();
    let (ahead, behind) = (count(Verdict::Better), count(Verdict::Worse));
    let than = format!("{} is", main.title);
    match (ahead, behind) {
        (0, 0) => {
            let others = bettered(boards, reference);
            let rest = match others.is_empty() {
                true => String::new(),
                false => format!(", but better than {}", listed(&others)),
            };
            format!(
                "{than} neither better nor worse than {} on {sets} test sets{rest}.",
                reference.title
            )
        }
        (_, 0) => format!(
            "{than} better than {} on {ahead} of {sets} test sets and worse on none.",
            reference.title
        ),
        (0, _) => format!(
            "{than} worse than {} on {behind} of {sets} test sets and better on none.",
            reference.title
        ),
        _ => format!(
            "{than} better than {} on {ahead} of {sets} test sets and worse on {behind}.",
            reference.title
        ),
    }
}
