//! Rows that several test sets share are resampled together.

use evaluation::metric::{Aggregate, SegmentStatistics};
use evaluation::significance::{Alignment, MeanScores, Resampling};

const MEAN: Aggregate = Aggregate::Ratio { scale: 1.0 };

fn statistics(correct: &[u8]) -> SegmentStatistics {
    let rows = correct.iter().map(|&correct| vec![f64::from(correct), 1.0]);
    SegmentStatistics::from_rows(rows.collect())
}

fn half_width(ids: &[Vec<&str>], correct: &[&[u8]]) -> f64 {
    let alignment = Alignment::new(ids);
    let aligned = correct.iter().enumerate();
    let aligned: Vec<_> = aligned
        .map(|(set, correct)| alignment.align(set, &statistics(correct)))
        .collect();
    let resamples = alignment.resamples(&Resampling::default());
    let mean = MeanScores::new(&aligned, &MEAN, &resamples);
    mean.confidence().half_width
}

#[test]
fn rows_with_the_same_id_are_drawn_together_in_any_order() {
    let easy_or_hard: Vec<u8> = (0..64).map(|row| row % 2).collect();
    let reversed: Vec<u8> = easy_or_hard.iter().rev().copied().collect();
    let names: Vec<String> = (0..64).map(|row| format!("row {row}")).collect();
    let others: Vec<String> = (0..64).map(|row| format!("other {row}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let backwards: Vec<&str> = names.iter().rev().copied().collect();

    let alone = half_width(std::slice::from_ref(&names), &[&easy_or_hard]);
    let shared = half_width(&[names.clone(), backwards], &[&easy_or_hard, &reversed]);
    assert!((shared - alone).abs() < 1e-12, "{shared} and {alone}");
    let independent = half_width(&[names, others], &[&easy_or_hard, &easy_or_hard]);
    let ratio = independent / alone;
    assert!((0.6..0.82).contains(&ratio), "about 1/√2: {ratio}");
}

#[test]
fn a_set_keeps_its_number_of_rows_though_another_lacks_one_of_them() {
    let ids = [vec!["a", "b", "c", "a"], vec!["c", "a"]];
    let alignment = Alignment::new(&ids);
    let [first, second] = [&[1, 0, 1, 1][..], &[0, 1]].map(statistics);
    let aligned = [alignment.align(0, &first), alignment.align(1, &second)];
    assert_eq!(aligned[0].sums(), first.sums());
    assert_eq!(aligned[1].sums(), second.sums());
    let resamples = alignment.resamples(&Resampling::default());
    let all_correct = alignment.align(1, &statistics(&[1, 1]));
    let always = MeanScores::new(&[all_correct], &MEAN, &resamples).resampled;
    assert!(always.iter().all(|&score| score == 1.0));
}
