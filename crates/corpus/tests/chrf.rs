//! chrF against sacrebleu 2.6.0: sentence scores of awkward pairs, corpus scores of real systems.

use std::fs;
use std::path::PathBuf;

use corpus::chrf::{BETA, CHAR_ORDER, ChrfStatistics, WORD_ORDER_PLUS_PLUS, upper_bound};
use proptest::prelude::*;

/// Hypothesis, reference, and what `CHRF(word_order=0|2).sentence_score` gives.
const SENTENCES: [(&str, &str, f64, f64); 12] = [
    (
        "the cat sat on the mat",
        "the cat sits on the mat",
        64.58166836671698,
        66.36165935759846,
    ),
    ("", "abc", 0.0, 0.0),
    ("abc", "", 0.0, 0.0),
    ("", "", 0.0, 0.0),
    ("a", "a", 100.0, 100.0),
    (
        "Olá, mundo! (sim)",
        "Olá mundo (não).",
        29.387782627260123,
        27.808356179972282,
    ),
    (
        "aaaa aaaa",
        "aa aaa aaaaaaa",
        61.838423967164225,
        46.378817975373174,
    ),
    ("ab", "ab cdefghij", 18.71657754010695, 31.656548135299218),
    (
        "เด็กผู้ชายกินข้าว",
        "เด็กผู้หญิงกินข้าว",
        57.02607236438637,
        48.879490598045464,
    ),
    (
        "don't «stop» now...",
        "don't stop - now.",
        43.67649667465099,
        38.11595501505558,
    ),
    ("a\u{a0}b\u{2003}c\u{1c}d", "a b c d", 100.0, 100.0),
    ("completely different", "zzz qqq", 0.0, 0.0),
];

#[test]
fn sentence_scores_equal_sacrebleu() {
    for (hypothesis, reference, chrf, plus_plus) in SENTENCES {
        let score = |word_order| {
            ChrfStatistics::new(hypothesis, reference, CHAR_ORDER, word_order).score(BETA)
        };
        assert!(
            (score(0) - chrf).abs() < 1e-9,
            "{hypothesis:?} {reference:?}"
        );
        assert!(
            (score(WORD_ORDER_PLUS_PLUS) - plus_plus).abs() < 1e-9,
            "{hypothesis:?} {reference:?}"
        );
    }
}

#[test]
fn corpus_score_adds_counts_not_scores() {
    let score = |word_order| {
        let sentences: Vec<_> = SENTENCES
            .iter()
            .map(|row| ChrfStatistics::new(row.0, row.1, CHAR_ORDER, word_order))
            .collect();
        sentences.iter().sum::<ChrfStatistics>().score(BETA)
    };
    assert!((score(0) - 44.086294108385275).abs() < 1e-9);
    assert!((score(2) - 43.62194127871896).abs() < 1e-9);
}

mod with_data {
    use super::*;
    use fixtures::data;

    /// chrF2 and chrF++ of eight real systems on FLORES devtest, as sacrebleu 2.6.0 scored them.
    #[test]
    #[ignore = "needs data sets: make test-data"]
    fn corpus_scores_of_real_systems_equal_sacrebleu() {
        let scores = fs::read_to_string(data("mt_outputs/scores.tsv")).expect("the scores");
        let mut compared = 0;
        let lines = |path: PathBuf| -> Vec<String> {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            text.lines().map(String::from).collect()
        };
        for row in scores.lines().skip(1) {
            let columns: Vec<&str> = row.split('\t').collect();
            let target = &columns[0][3..];
            let reference = if target == "pt" {
                "por_Latn"
            } else {
                "eng_Latn"
            };
            let references = lines(data(&format!("flores/devtest/{reference}.txt")));
            let file = format!(
                "mt_outputs/{}/flores-test.{}.{target}",
                columns[0], columns[1]
            );
            let hypotheses = lines(data(&file));
            for (word_order, expected) in [(0, columns[4]), (2, columns[5])] {
                let sentences: Vec<_> = hypotheses
                    .iter()
                    .zip(&references)
                    .map(|(h, r)| ChrfStatistics::new(h, r, CHAR_ORDER, word_order))
                    .collect();
                let score = sentences.iter().sum::<ChrfStatistics>().score(BETA);
                let expected: f64 = expected.parse().expect("a number");
                assert!((score - expected).abs() <= 5.1e-5, "{row}: {score}");
                compared += 1;
            }
        }
        assert_eq!(compared, 16);
    }
}

proptest! {
    #[test]
    fn the_upper_bound_holds(a in "[a-c é日]{0,40}", b in "[a-c é日]{0,40}") {
        let score = ChrfStatistics::new(&a, &b, CHAR_ORDER, 0).score(BETA);
        prop_assert!(upper_bound(&a, &b, BETA) >= score - 1e-9);
    }

    #[test]
    fn a_text_matches_itself_and_scores_stay_in_range(a in "\\PC{0,60}", b in "\\PC{0,60}") {
        let same = ChrfStatistics::new(&a, &a, CHAR_ORDER, 2).score(BETA);
        let expected = if a.chars().all(char::is_whitespace) { 0.0 } else { 100.0 };
        prop_assert!((same - expected).abs() < 1e-9);
        let score = ChrfStatistics::new(&a, &b, CHAR_ORDER, 2).score(BETA);
        prop_assert!((0.0..=100.0 + 1e-9).contains(&score));
    }
}
