//! The choice between given answers and the LLM's own, and what a teacher is asked.

use std::collections::{BTreeMap, BTreeSet};

use corpus::mix::{AnswerCounts, MixConfig, Sampling};
use corpus::record::{Example, Subset};

use crate::{ENGLISH, Mix, PORTUGUESE, mix_of, rows, without_held_out};

fn config(sampling: Sampling, generated_fraction: f64) -> MixConfig {
    MixConfig {
        sampling,
        generated_fraction,
        ..without_held_out()
    }
}

fn is_own(example: &Example) -> bool {
    example.answer.contains('ŷ')
}

/// Whether the examples of each row have the LLM's own answer; a row that has both has both values.
fn choices(mix: &Mix) -> BTreeMap<usize, BTreeSet<bool>> {
    let mut choices: BTreeMap<usize, BTreeSet<bool>> = BTreeMap::new();
    for example in &mix.train {
        let number = example.id.split(['-', '/']).nth(1).unwrap();
        let number = number.parse().unwrap();
        choices.entry(number).or_default().insert(is_own(example));
    }
    choices
}

fn counts(mix: &Mix) -> AnswerCounts {
    serde_json::from_value(mix.manifest.results.details["answers"].clone()).unwrap()
}

#[test]
fn the_share_of_own_answers_is_that_of_all_rows() {
    let mix = mix_of(
        &rows(2000, PORTUGUESE),
        &[],
        &config(Sampling::OneOfTwo, 0.5),
    );
    let choices = choices(&mix);
    assert_eq!(choices.len(), 2000);
    assert!(
        choices.values().all(|choice| choice.len() == 1),
        "one answer for all subsets"
    );
    let own: Vec<usize> = choices
        .iter()
        .filter(|(_, c)| c.contains(&true))
        .map(|(n, _)| *n)
        .collect();
    assert!(
        own.iter().all(|n| !n.is_multiple_of(7)),
        "rows without their own answer"
    );
    // Four standard deviations of 1,714 draws with probability 0.583.
    let share = own.len() as f64 / 2000.0;
    assert!((share - 0.5).abs() < 0.041, "{share}");
    let AnswerCounts {
        rows,
        available,
        own: counted,
    } = counts(&mix);
    assert_eq!(
        (rows, available, counted),
        (2000, 2000 - 285, own.len() as u64)
    );
}

/// The given answer does not stand in for a translation that was rejected: all forms of a question
/// have the same answer.
#[test]
fn a_rejected_translation_of_the_own_answer_takes_its_subsets() {
    let mix = mix_of(
        &rows(100, PORTUGUESE),
        &[],
        &config(Sampling::OneOfTwo, 1.0),
    );
    assert_eq!(mix.summary()["LL"].generated, 100 - 14);
    let answer = |id: &str| {
        let found = mix.train.iter().find(|example| example.id == id);
        found.map(|example| example.answer.as_str())
    };
    assert_eq!(answer("id-5/por_Latn/LL"), Some("ŷ 5"));
    assert_eq!(answer("id-5/por_Latn/TT"), None, "T(ŷ) was rejected");
    assert_eq!(
        answer("id-7/por_Latn/TT"),
        Some("T(y) 7 por_Latn"),
        "there is no ŷ"
    );
}

#[test]
fn independent_sampling_gives_a_question_both_answers_or_none() {
    let mix = mix_of(
        &rows(2000, PORTUGUESE),
        &[],
        &config(Sampling::Independent, 0.5),
    );
    let choices = choices(&mix);
    let of = |wanted: &[bool]| {
        let wanted: BTreeSet<bool> = wanted.iter().copied().collect();
        choices.values().filter(|choice| **choice == wanted).count()
    };
    let counted = [
        of(&[false]),
        of(&[true]),
        of(&[false, true]),
        2000 - choices.len(),
    ];
    assert!(
        counted.iter().all(|count| (420..=580).contains(count)),
        "{counted:?}"
    );
    let ids: BTreeSet<&String> = mix.train.iter().map(|example| &example.id).collect();
    assert_eq!(ids.len(), mix.train.len());
}

#[test]
fn both_answers_are_taken_where_there_are_two() {
    let mix = mix_of(&rows(70, PORTUGUESE), &[], &config(Sampling::Both, 0.5));
    let own: Vec<&Example> = mix
        .of(Subset::LL)
        .into_iter()
        .filter(|e| is_own(e))
        .collect();
    assert_eq!((mix.of(Subset::LL).len(), own.len()), (130, 60));
    assert!(own.iter().all(|example| example.id.ends_with("/LL/own")));
}

#[test]
fn a_teacher_is_asked_the_plain_question_in_the_source_language() {
    let distilled = MixConfig {
        distilled: vec![Subset::LL, Subset::TL],
        ..without_held_out()
    };
    let mix = mix_of(&rows(20, PORTUGUESE), &[], &distilled);
    for example in &mix.train {
        let number = example.id.split(['-', '/']).nth(1).unwrap();
        let asked = (example.answer_language == ENGLISH).then(|| format!("x {number}"));
        assert_eq!(example.teacher_question, asked, "{}", example.id);
    }
    let error = MixConfig {
        distilled: vec![Subset::TT],
        ..distilled
    };
    let error = error.validate().unwrap_err().to_string();
    assert!(
        error.contains("mix.distilled: TT cannot be taught"),
        "{error}"
    );
    let plain = mix_of(&rows(20, PORTUGUESE), &[], &without_held_out());
    assert!(!plain.files[0].contains("teacher_question"));
}
