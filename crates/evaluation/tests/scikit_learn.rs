//! Accuracy and macro-F1 are scikit-learn's.

use evaluation::metric::Metric;
use evaluation::metric::accuracy::Accuracy;
use evaluation::metric::macro_f1::MacroF1;
use evaluation::score::corpus_score;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixtures {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    references: Vec<String>,
    hypotheses: Vec<String>,
    accuracy: f64,
    macro_f1: f64,
}

fn cases() -> Vec<Case> {
    let path = fixtures::reference("metrics/classification.json");
    let json = std::fs::read(path).expect("a fixture");
    serde_json::from_slice::<Fixtures>(&json)
        .expect("cases")
        .cases
}

fn score(metric: &dyn Metric, case: &Case) -> f64 {
    let references = std::slice::from_ref(&case.references);
    corpus_score(metric, &case.hypotheses, references, None)
        .expect("equal lengths")
        .score
}

#[test]
fn scores_are_scikit_learns() {
    let cases = cases();
    assert_eq!(cases.len(), 8);
    for (number, case) in cases.iter().enumerate() {
        let labels = case.references.iter().chain(&case.hypotheses);
        let f1 = MacroF1::over(labels.map(String::as_str));
        let (accuracy, f1) = (score(&Accuracy, case), score(&f1, case));
        assert!(
            (accuracy - case.accuracy).abs() < 1e-9,
            "case {number}: {accuracy}"
        );
        assert!((f1 - case.macro_f1).abs() < 1e-9, "case {number}: {f1}");
    }
}

#[test]
fn an_accuracy_says_what_it_counted() {
    let case = &cases()[5];
    let references = std::slice::from_ref(&case.references);
    let score = corpus_score(&Accuracy, &case.hypotheses, references, None).expect("scores");
    let line = score.to_string();
    assert!(
        line.starts_with("accuracy|nrefs:1|impl:xldistill-"),
        "{line}"
    );
    assert!(line.ends_with("= 0.6250 (5 of 8)"), "{line}");
}
