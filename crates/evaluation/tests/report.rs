//! The report of a run: what it says, and that its page is safe and whole.

mod demo;

use std::path::Path;

use evaluation::report::{Report, ReportError, Verdict, terminal};
use serde_json::Value;

#[test]
fn the_report_of_a_finished_run() {
    // The page stays there to be looked at.
    let run = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quickstart");
    let _ = std::fs::remove_dir_all(&run);
    std::fs::create_dir_all(&run).expect("writable");
    demo::write(&run);
    let report = Report::gather(&run).expect("a run");
    scores_stand_beside_each_other_with_their_significance(&report);
    stages_training_and_models_are_gathered(&report);
    the_page_is_self_contained_and_escaped(&report, &run);
    report_json_has_the_documented_form_and_reads_back(&report, &run);
    the_terminal_shows_every_score_within_its_width(&report);
}

fn scores_stand_beside_each_other_with_their_significance(report: &Report) {
    let find = |task: &str, key: &str| {
        let row = report
            .scores
            .iter()
            .find(|row| row.task == task && row.key == key);
        row.unwrap_or_else(|| panic!("{task} {key} is there"))
    };
    let chrf = find("translation_eng_Latn-por_Latn", "chrf++");
    assert_eq!(chrf.name, "chrF2++");
    assert_eq!(
        chrf.signature,
        "nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.6.0"
    );
    assert!(chrf.after > chrf.before);
    assert_eq!(chrf.verdict, Some(Verdict::Better));
    assert!(chrf.p_value.is_some_and(|p| p < 0.01));
    let english = find("held_out_loss_eng_Latn", "loss");
    assert!(english.relative().is_some_and(|change| change.abs() < 0.05));
    assert_eq!(
        find("off_target_por_Latn", "looped").higher_is_better,
        Some(false)
    );
    let confidence = chrf.after_confidence.expect("an interval");
    assert!(confidence.low < chrf.after.expect("a score"));
    assert!(confidence.high > chrf.after.expect("a score"));
}

fn stages_training_and_models_are_gathered(report: &Report) {
    let stages: Vec<&str> = report
        .funnel
        .iter()
        .map(|stage| stage.stage.as_str())
        .collect();
    assert_eq!(
        stages,
        ["answer", "translate", "filter", "code_switch", "mix"]
    );
    let filter = &report.funnel[2];
    assert_eq!(filter.reasons[0].reason, "low_quality");
    assert_eq!(filter.reasons[0].count, 75);
    assert_eq!(filter.reasons[0].examples.len(), 2);
    let texts = &filter.reasons[0].examples[0].texts;
    let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["source", "translation"],
        "a translation is shown with its source"
    );
    assert!(texts[1].1.starts_with("Três maneiras"));
    let training = report.training.as_ref().expect("was trained");
    assert_eq!(training.steps, 320, "the torn line is left out");
    assert_eq!(training.held_out["TT"].len(), 9);
    let finished = training.finished.as_ref().expect("has finished");
    assert_eq!((finished.planned_steps, finished.seconds), (480, 790.2));
    assert!(training.best_held_out_loss.expect("was evaluated").1 < 2.2);
    let firefox = report
        .models
        .iter()
        .find(|model| model.identity.model.ends_with("en-pt"));
    assert_eq!(
        firefox.and_then(|model| model.identity.licence.as_deref()),
        Some("MPL-2.0")
    );
    let parts: Vec<&str> = report
        .timing
        .iter()
        .map(|part| part.part.as_str())
        .collect();
    assert!(
        parts.ends_with(&["train", "evaluate before", "evaluate after"]),
        "{parts:?}"
    );
}

fn the_page_is_self_contained_and_escaped(report: &Report, run: &Path) {
    let page = std::fs::read_to_string(report.write(run).expect("writable")).expect("a page");
    let lower = page.to_lowercase();
    for forbidden in [
        "<script", "http://", "https://", "<link", "<img", " src=", "@import", "url(", "nan",
        "inf%",
    ] {
        let found = lower
            .find(forbidden)
            .map(|at| &page[at.saturating_sub(40)..(at + 40).min(page.len())]);
        let word = forbidden.chars().all(char::is_alphabetic);
        assert!(
            found.is_none() || word && !numbers_hold(&page, forbidden),
            "{found:?}"
        );
    }
    assert!(
        page.contains("&lt;script&gt;"),
        "what was rejected is shown, escaped"
    );
    assert!(page.contains("SmolLM2-135M-Instruct.Q4_1 learns Portuguese"));
    for id in ["scores", "answers", "samples", "training", "funnel", "run"] {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    assert!(page.len() < 400_000, "{} bytes", page.len());
}

/// Whether an attribute holds `word` in the place of a number.
fn numbers_hold(page: &str, word: &str) -> bool {
    let lower = page.to_lowercase();
    [
        format!("=\"{word}"),
        format!(",{word}"),
        format!(":{word}%"),
    ]
    .iter()
    .any(|pattern| lower.contains(pattern.as_str()))
}

fn report_json_has_the_documented_form_and_reads_back(report: &Report, run: &Path) {
    report.write(run).expect("writable");
    let bytes = std::fs::read(run.join("report.json")).expect("written");
    let json: Value = serde_json::from_slice(&bytes).expect("JSON");
    for row in json["scores"].as_array().expect("a list") {
        for key in ["name", "task", "language", "before", "after", "signature"] {
            assert!(
                row.get(key).is_some_and(|value| !value.is_null()),
                "{key} of {row}"
            );
        }
    }
    let back: Report = serde_json::from_slice(&bytes).expect("reads back");
    assert_eq!(&back, report);
}

fn the_terminal_shows_every_score_within_its_width(report: &Report) {
    let table = terminal::render(report, Some(120));
    println!("{table}");
    assert!(table.contains("Translation, English → Portuguese") && table.contains("chrF2++"));
    assert!(table.contains("75 low quality"));
    assert!(table.lines().all(|line| line.chars().count() <= 120));
}

#[test]
fn a_run_that_has_only_begun_has_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    demo::stages(folder.path());
    for later in ["translate", "filter", "code_switch", "mix"] {
        std::fs::remove_dir_all(folder.path().join(later)).expect("is there");
    }
    let report = Report::gather(folder.path()).expect("a run that has begun");
    assert_eq!(report.funnel.len(), 1);
    assert!(report.scores.is_empty());
    report.write(folder.path()).expect("writable");
    assert!(!terminal::render(&report, None).is_empty());
}

#[test]
fn another_folder_is_not_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Report::gather(folder.path()).expect_err("an empty folder");
    assert!(matches!(error, ReportError::NotARun(_)), "{error}");
}
