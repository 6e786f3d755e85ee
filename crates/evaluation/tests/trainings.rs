//! The course of every training of a run, in the report.

use std::collections::BTreeMap;
use std::path::Path;

use artefacts::training::{Interval, METRICS_FILE, Metric};
use evaluation::report::{Report, ReportError, html};

fn write(folder: &Path, metrics: &[Metric]) {
    std::fs::create_dir_all(folder).expect("a folder");
    let line = |metric| serde_json::to_string(metric).expect("plain data") + "\n";
    let lines: String = metrics.iter().map(line).collect();
    std::fs::write(folder.join(METRICS_FILE), lines).expect("writable");
}

fn parts(parts: &[(&str, f64)]) -> BTreeMap<String, f64> {
    parts
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

fn step(step: usize, losses: &[(&str, f64)], time: f64) -> Metric {
    Metric::Train {
        step,
        epoch: 0.1,
        loss: 2.0 / step as f64,
        losses: parts(losses),
        learning_rate: 1e-4,
        grad_norm: 1.0,
        tokens: 100 * step as u64,
        tokens_per_second: 50.0,
        time,
    }
}

fn evaluation(step: usize, losses: &[(&str, f64)], time: f64) -> Metric {
    Metric::Evaluation {
        step,
        epoch: 0.1,
        loss: 1.5,
        losses: parts(losses),
        intervals: BTreeMap::new(),
        time,
    }
}

#[test]
fn trainings_are_shown_in_the_order_of_their_beginning_with_what_they_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path();
    assert!(matches!(Report::gather(run), Err(ReportError::NotARun(_))));
    write(
        &run.join("classify/nli"),
        &[
            step(1, &[], 30.0),
            evaluation(1, &[("accuracy", 0.5), ("nli.accuracy", 0.5)], 31.0),
        ],
    );
    let retrieval = [
        ("fvu", 0.4),
        ("retrieval", 0.75),
        ("por_Latn.retrieval", 0.9),
        ("tha_Thai.retrieval", 0.6),
    ];
    write(
        &run.join("adapt"),
        &[
            evaluation(0, &[("fvu", 1.2), ("retrieval", 0.1)], 10.0),
            step(1, &[("fvu", 0.9), ("pooled", 2.0)], 11.0),
            step(2, &[("fvu", 0.7), ("pooled", 1.0)], 12.0),
            evaluation(2, &retrieval, 13.0),
        ],
    );
    let report = Report::gather(run).expect("a run");
    let titles: Vec<&str> = report
        .trainings
        .iter()
        .map(|one| one.title.as_str())
        .collect();
    assert_eq!(titles, ["adapt", "classify, nli"]);
    let adapt = &report.trainings[0].course;
    assert_eq!(adapt.train["all"], [(1, 2.0), (2, 1.0)]);
    assert_eq!(adapt.train["pooled"], [(1, 2.0), (2, 1.0)]);
    assert!(!adapt.train.contains_key("fvu"), "no loss");
    let measured: Vec<(&str, &str)> = adapt
        .measured
        .iter()
        .map(|one| (one.title.as_str(), one.unit.as_str()))
        .collect();
    let fvu = "Fraction of variance unexplained (FVU)";
    assert_eq!(
        measured,
        [(fvu, ""), ("Retrieval of translations", "share")]
    );
    assert_eq!(adapt.measured[0].train["all"], [(1, 0.9), (2, 0.7)]);
    assert_eq!(adapt.measured[0].held_out["all"], [(0, 1.2), (2, 0.4)]);
    assert_eq!(adapt.measured[1].held_out["por_Latn"], [(2, 0.9)]);
    assert_eq!(report.timing[0].part, "adapt");

    let page = html::page(&report);
    for text in [
        "Fraction of variance unexplained (FVU) in training",
        "Retrieval of translations",
        "Portuguese",
        "Thai",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("<figure class=\"chart\">").count(), 8);
    assert!(!page.contains("por_Latn"), "languages have names");
    assert!(!page.contains("NaN"));
    is_kept_whole(&report);
}

fn is_kept_whole(report: &Report) {
    let json = serde_json::to_string(report).expect("plain data");
    assert_eq!(
        &serde_json::from_str::<Report>(&json).expect("a report"),
        report
    );
}

#[test]
fn shares_of_answers_are_drawn_over_steps_with_their_intervals() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path();
    let measured = |step: usize, share: f64, [low, high]: [f64; 2], time| {
        let answers = 40;
        let interval = Interval { answers, low, high };
        Metric::Evaluation {
            step,
            epoch: 0.1,
            loss: 1.5,
            losses: parts(&[("TT", 1.5), ("off_target", share)]),
            intervals: [("off_target".to_owned(), interval)].into(),
            time,
        }
    };
    write(
        &run.join("train"),
        &[
            measured(0, 0.875, [0.739, 0.945], 10.0),
            step(1, &[("TT", 2.0)], 11.0),
            measured(1, 0.25, [0.142, 0.402], 12.0),
        ],
    );
    let report = Report::gather(run).expect("a run");
    let training = report.training.as_ref().expect("a training");
    assert!(!training.held_out.contains_key("off_target"), "no loss");
    let [shares] = &training.measured[..] else {
        panic!("{:?}", training.measured);
    };
    assert_eq!(shares.held_out["all"], [(0, 0.875), (1, 0.25)]);
    let ends = shares.intervals["all"].iter();
    let ends: Vec<_> = ends.map(|(at, one)| (*at, one.low, one.high)).collect();
    assert_eq!(ends, [(0, 0.739, 0.945), (1, 0.142, 0.402)]);

    let page = html::page(&report);
    assert!(page.contains("Held-out questions answered in another language"));
    assert!(page.contains("Over 40 answers at each step"), "{page}");
    assert_eq!(page.matches("<line class=\"interval s-").count(), 2);
    assert!(page.contains("73.9 to 94.5"), "in per cent");
    is_kept_whole(&report);
}

#[test]
fn several_languages_have_a_curve_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path();
    let interval = |answers| Interval {
        answers,
        low: 0.1,
        high: 0.9,
    };
    let names = ["off_target", "por_Latn.off_target", "tha_Thai.off_target"];
    let intervals = names.iter().zip([30, 20, 10]);
    let measured = Metric::Evaluation {
        step: 0,
        epoch: 0.0,
        loss: 1.5,
        losses: parts(&[(names[0], 0.5), (names[1], 0.25), (names[2], 0.75)]),
        intervals: intervals
            .map(|(name, answers)| ((*name).to_owned(), interval(answers)))
            .collect(),
        time: 1.0,
    };
    write(&run.join("train"), &[measured]);
    let report = Report::gather(run).expect("a run");
    let curves = &report.training.as_ref().expect("a training").measured[0];
    assert_eq!(curves.held_out["tha_Thai"], [(0, 0.75)]);
    let page = html::page(&report);
    for text in [
        "Portuguese",
        "Thai",
        "Over 30 answers, 10 to 20 in each language,",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(
        page.matches("<line class=\"interval s-").count(),
        1,
        "of all"
    );
    is_kept_whole(&report);
}
