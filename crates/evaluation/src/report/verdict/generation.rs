//! The verdict on a fine-tuned LLM, from its scores before and after.
//!
//! 1. The first measure of each task decides for the task: better or worse if the paired test says
//!    so. Losses on the parts of the training set are left out: they say how training went.
//! 2. Faults of answers (another language, copying, loops, nothing, cut off) are worse if the test
//!    says so, or if even the low end of their interval after training is above [`TOLERATED`].
//! 3. More faulty answers, or fewer in the language of the question, in a target language outweigh
//!    better losses.
//! 4. Whatever is worse in the source language is what teaching cost.

use corpus::language::Language;

use super::{Finding, Outcome, RunVerdict};
use crate::report::scores::{ScoreRow, Verdict};
use crate::report::training::{ALL, TrainingSummary};
use crate::report::{Report, titles};

/// Share of faulty answers, in per cent, that calls for action even if it did not grow.
const TOLERATED: f64 = 10.0;
/// Optimiser steps below which a training is called short.
const FEW_STEPS: u64 = 200;
/// Documents below which intervals are so wide that a larger evaluation is advised.
const FEW_DOCUMENTS: usize = 100;
/// Relative fall of the held-out loss below which a training taught next to nothing.
const SMALL_FALL: f64 = 0.02;
/// Relative rise of the held-out loss after its lowest point that counts as overfitting.
const OVERFITTED: f64 = 0.01;

/// A fault of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    OffTarget,
    Copied,
    Looped,
    Empty,
    CutOff,
}

impl Fault {
    const ALL: [(&str, Fault); 5] = [
        ("off_target", Fault::OffTarget),
        ("copied", Fault::Copied),
        ("looped", Fault::Looped),
        ("empty", Fault::Empty),
        ("cut_off", Fault::CutOff),
    ];

    fn of(row: &ScoreRow) -> Option<Fault> {
        let named = Fault::ALL.iter().find(|(key, _)| *key == row.key);
        named.map(|(_, fault)| *fault)
    }
}

/// A fault that was found.
struct Found<'r> {
    fault: Fault,
    row: &'r ScoreRow,
    is_source: bool,
    grew: bool,
}

pub(super) fn verdict(report: &Report) -> Option<RunVerdict> {
    let is_compared = |row: &&ScoreRow| row.before.is_some() && row.after.is_some();
    let rows: Vec<&ScoreRow> = report.before_and_after().filter(is_compared).collect();
    if rows.is_empty() {
        return None;
    }
    let source = report.source.map(|source| source.code());
    let is_source = |row: &ScoreRow| source == Some(row.language.as_str());
    let decisive: Vec<&ScoreRow> = (rows.iter().copied())
        .filter(|row| is_decisive(row, &rows))
        .collect();
    let with = |verdict| {
        let rows = decisive.iter().copied();
        rows.filter(move |row| row.verdict == Some(verdict))
    };
    let faults: Vec<Found<'_>> = rows
        .iter()
        .filter_map(|row| {
            let grew = row.verdict == Some(Verdict::Worse);
            let low = row.after_confidence.map_or(0.0, |interval| interval.low);
            let fault = Fault::of(row)?;
            let is_found = grew || low > TOLERATED;
            is_found.then(|| Found {
                fault,
                row,
                is_source: is_source(row),
                grew,
            })
        })
        .collect();
    let better: Vec<Finding> = with(Verdict::Better).map(changed).collect();
    let lost: Vec<&ScoreRow> = with(Verdict::Worse).collect();
    let mut worse: Vec<Finding> = faults.iter().map(fault_in_words).collect();
    worse.extend(lost.iter().map(|row| changed(row)));

    let in_language = |row: &&&ScoreRow| row.key == "in_language" && !is_source(row);
    let broken = (faults.iter())
        .find(|found| found.grew && !found.is_source)
        .map(|found| found.row)
        .or_else(|| lost.iter().find(in_language).copied());
    let outcome = match broken {
        Some(_) => Outcome::Worse,
        None => Outcome::of(&better, &worse),
    };
    let source_lost = lost.iter().any(|row| is_source(row))
        || faults.iter().any(|found| found.grew && found.is_source);
    Some(RunVerdict {
        outcome,
        summary: summary(
            report,
            outcome,
            broken,
            source_lost,
            &with(Verdict::Better).collect::<Vec<_>>(),
        ),
        advice: advice(report, &faults, &lost, source_lost, outcome),
        better,
        worse,
    })
}

/// Whether a row is the first of its task, and the task is not a part of the training set.
fn is_decisive(row: &ScoreRow, rows: &[&ScoreRow]) -> bool {
    let first = rows.iter().find(|other| other.task == row.task);
    let is_first = first.is_some_and(|first| first.key == row.key);
    let part = row.task.strip_prefix("held_out_loss_");
    is_first && Fault::of(row).is_none() && part.is_none_or(|part| part == row.language)
}

/// Whether a measure says how probable given texts are rather than what the model writes.
fn is_likelihood(row: &ScoreRow) -> bool {
    row.task.starts_with("held_out_loss_") || row.task.starts_with("perplexity_")
}

fn changed(row: &ScoreRow) -> Finding {
    let name = match &row.headline {
        Some(headline) => headline.clone(),
        None => format!("{}: {}", row.group, row.title),
    };
    finding(row, name)
}

fn fault_in_words(found: &Found<'_>) -> Finding {
    let row = found.row;
    let more = if found.grew { "more" } else { "still too many" };
    finding(row, format!("{}: {more} {}", row.group, row.title))
}

fn finding(row: &ScoreRow, name: String) -> Finding {
    let value = |score: Option<f64>| {
        score.map_or_else(|| "–".to_owned(), |score| titles::score(score, &row.unit))
    };
    Finding {
        task: row.task.clone(),
        measure: row.key.clone(),
        text: format!("{name}, {} → {}", value(row.before), value(row.after)),
    }
}

fn summary(
    report: &Report,
    outcome: Outcome,
    broken: Option<&ScoreRow>,
    source_lost: bool,
    better: &[&ScoreRow],
) -> String {
    let source = report
        .source
        .map_or("the source language", |source| source.everyday_name());
    if let Some(row) = broken {
        let share = |score: Option<f64>| titles::score(score.unwrap_or(0.0), &row.unit);
        return format!(
            "Not ready to use: the share of {} {} from {} to {}.",
            row.title,
            if row.difference() > Some(0.0) {
                "rose"
            } else {
                "fell"
            },
            share(row.before),
            share(row.after)
        );
    }
    let languages = match outcome {
        Outcome::Better | Outcome::Mixed => gained(report, better),
        _ => report.targets.clone(),
    };
    let languages: Vec<String> = languages
        .iter()
        .map(|language| language.everyday_name().to_owned())
        .collect();
    let languages = match languages.is_empty() {
        true => "the other languages".to_owned(),
        false => super::listed(&languages),
    };
    let only_likelihood = better.iter().all(|row| is_likelihood(row));
    match outcome {
        Outcome::Better if only_likelihood => format!(
            "{languages} text became more probable, but answers and translations did not get measurably better."
        ),
        Outcome::Better => {
            format!("The model got better at {languages}, and no measure got worse.")
        }
        Outcome::Mixed if source_lost => {
            format!("The model got better at {languages}, but lost {source}.")
        }
        Outcome::Mixed => format!("The model got better at {languages}, with faults to mend."),
        Outcome::Worse if source_lost => {
            format!("The model lost {source} and got no better at {languages}.")
        }
        Outcome::Worse => format!("The model got no better at {languages}, and worse in part."),
        Outcome::NoDifference => {
            "No measure changed by more than chance would change it.".to_owned()
        }
    }
}

/// The languages that got better: the source language only if no other did.
fn gained(report: &Report, better: &[&ScoreRow]) -> Vec<Language> {
    let mut languages: Vec<Language> = Vec::new();
    for row in better {
        let language = Language::parse(&row.language).ok();
        languages.extend(language.filter(|language| !languages.contains(language)));
    }
    let others = |language: &&Language| Some(**language) != report.source;
    match languages.iter().any(|language| others(&language)) {
        true => languages.iter().filter(others).copied().collect(),
        false => languages,
    }
}

/// The last held-out loss, if it is far above the lowest.
fn overfitted(training: &TrainingSummary) -> Option<f64> {
    let (_, best) = training.best_held_out_loss?;
    let curve = training.held_out.get(ALL)?;
    let (_, last) = curve.last()?;
    (*last > best * (1.0 + OVERFITTED)).then_some(*last)
}

/// What to do: each line names a key of the config or the data.
fn advice(
    report: &Report,
    faults: &[Found<'_>],
    lost: &[&ScoreRow],
    source_lost: bool,
    outcome: Outcome,
) -> Vec<String> {
    let mut advice = Vec::new();
    let has = |fault| {
        faults
            .iter()
            .any(|found| found.fault == fault && !found.is_source)
    };
    let steps = report.training.as_ref().map(|training| training.steps);
    let short = steps.filter(|steps| *steps < FEW_STEPS);
    let fewer = lost.iter().any(|row| row.key == "in_language");
    let rose = report.training.as_ref().and_then(overfitted);
    if has(Fault::OffTarget) || has(Fault::Copied) || has(Fault::Empty) || fewer {
        advice.push(match short {
            // More epochs would not help.
            Some(steps) if rose.is_some() => format!(
                "Training had {steps} steps, too few to learn when to answer in which language: add \
                 questions or, with LoRA, raise `train.learning_rate` (up to 1e-3)."
            ),
            Some(steps) => format!(
                "Training had {steps} steps, too few to learn when to answer in which language: add \
                 questions, raise `train.epochs` or, with LoRA, `train.learning_rate` (up to 1e-3)."
            ),
            None if rose.is_some() => "Add questions whose answers are in the target language \
                                       (`data.instructions`)."
                .to_owned(),
            None => "Add questions whose answers are in the target language (`data.instructions`), \
                     or raise `train.epochs`."
                .to_owned(),
        });
    }
    let config = report.config.as_deref().unwrap_or_default();
    if has(Fault::OffTarget) && config.contains("answer_directive = \"none\"") {
        advice.push(
            "Set `mix.answer_directive = \"cross-lingual\"`: without it, the subset TL teaches the \
             model to answer target-language questions in the source language."
                .to_owned(),
        );
    }
    if has(Fault::Looped) || has(Fault::CutOff) {
        advice.push(
            "Answers that do not end: raise `answer.max_new_tokens`, so that fewer complete answers \
             are refused as cut off, and `evaluate.max_new_tokens`, if the answers are only cut."
                .to_owned(),
        );
    }
    if source_lost {
        advice.push(keeping_the_source(config));
    }
    if let Some(training) = &report.training
        && let (Some(first), Some((step, best))) =
            (training.first_held_out_loss, training.best_held_out_loss)
    {
        if rose.is_some() {
            advice.push(format!(
                "The held-out loss was lowest at step {} and rose again: train for fewer epochs, or \
                 on more data.",
                titles::count(step)
            ));
        } else if first - best < first * SMALL_FALL {
            advice.push(format!(
                "The held-out loss hardly fell ({first:.3} → {best:.3}): raise `train.learning_rate` \
                 (2e-4 for LoRA, 2e-5 to 2e-4 for full fine-tuning, the smaller the model the \
                 higher)."
            ));
        }
    }
    if advice.is_empty() && !lost.is_empty() {
        advice.push("Lower `train.learning_rate`, or add data for what got worse.".to_owned());
    }
    let questions = report.answers.iter().map(|answers| answers.questions).min();
    if let Some(questions) = questions.filter(|questions| *questions < FEW_DOCUMENTS) {
        advice.push(format!(
            "Only {questions} questions were evaluated, so small changes go unnoticed: name at least \
             {FEW_DOCUMENTS} under `evaluate.questions`."
        ));
    }
    if advice.is_empty() && outcome == Outcome::NoDifference {
        advice.push(
            "Train on more data, or raise `train.learning_rate` or `train.epochs`.".to_owned(),
        );
    }
    advice
}

/// What keeps the source language and is not in the config yet.
fn keeping_the_source(config: &str) -> String {
    let has_subsets = config.contains("subsets = [");
    let steps = [
        (
            !config.contains("interpolate = "),
            "set `train.interpolate = \"auto\"`",
        ),
        (true, "halve `train.learning_rate`"),
        (
            has_subsets && !config.contains("\"LL\""),
            "add \"LL\" to `mix.subsets`",
        ),
        (
            !config.contains("method = \"lora\""),
            "train with `train.method = \"lora\"`",
        ),
    ];
    let steps = steps.iter().filter(|(is_new, _)| *is_new);
    let steps: Vec<&str> = steps.map(|(_, step)| *step).collect();
    format!("To keep the source language, {}.", steps.join(", or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_does_not_name_what_is_set_already() {
        let all =
            "[mix]\nsubsets = [\n    \"LL\",\n]\n[train]\nmethod = \"lora\"\ninterpolate = 0.7";
        assert_eq!(
            keeping_the_source(all),
            "To keep the source language, halve `train.learning_rate`."
        );
        assert_eq!(
            keeping_the_source("[mix]\nsubsets = [\"TT\"]\n[train]\nmethod = \"full\""),
            "To keep the source language, set `train.interpolate = \"auto\"`, or halve \
             `train.learning_rate`, or add \"LL\" to `mix.subsets`, or train with \
             `train.method = \"lora\"`."
        );
    }
}
