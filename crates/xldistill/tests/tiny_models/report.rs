//! The report of a run that the program made.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use evaluation::report::{Report, ReportError, ScoreRow, terminal};
use serde_json::{Value, json};

use crate::json_of;
use crate::tiny_run::{Folder, row};

/// A run and the report that was written when only its first stage was done.
struct Run {
    folder: Folder,
    begun: Value,
    printed: String,
}

impl Run {
    /// The run's folder.
    fn path(&self) -> PathBuf {
        self.folder.path("run")
    }

    fn report(&self) -> Report {
        Report::gather(&self.path()).expect("a run")
    }
}

fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let mut instructions: String = (0..24)
            .map(|n| match n % 2 {
                0 => row(
                    n,
                    &format!("What is number {n} of them?"),
                    "It is a fine number.",
                ),
                _ => row(n, "What are the others like?", "They are all alike."),
            })
            .collect();
        instructions += "{\"question\": \"<script>alert(1)</script> & <b>bold</b>\", \n";
        let folder = Folder::new(instructions, CONFIG);
        folder.xldistill("run", &["--until", "answer"]);
        folder.xldistill("report", &[]);
        let begun = json_of(&folder.path("run/report.json"));
        let (printed, _) = folder.xldistill("run", &[]);
        Run {
            folder,
            begun,
            printed,
        }
    })
}

const CONFIG: &str = r#"
model = "{{gguf/bpe.gguf}}"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["instructions.jsonl"]
parallel.por_Latn = "pairs.tsv"
[answer]
max_new_tokens = 4
[translate]
engine = "nllb"
model = "{{m2m100/tiny}}"
beam_size = 1
max_new_tokens = 16
[estimate_quality]
engine = "none"
# Random translations lose every number; nothing else is asked of them.
[filter]
max_length_ratio = 1e9
max_sentence_ratio = 1e9
max_word_length = 1000000
min_script_share = 0
min_language_probability = 1
[mix]
held_out_fraction = 0.3
test_fraction = 0.15
[train]
epochs = 2
learning_rate = 1e-3
examples_per_step = 4
[evaluate]
questions.por_Latn = "held_out.jsonl"
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
[[evaluate.benchmarks]]
name = "belebele"
path = "{{benchmarks}}"
languages = ["por_Latn"]
"#;

fn position(report: &Report, task: &str, key: &str) -> usize {
    let is_it = |row: &ScoreRow| row.task == task && row.key == key;
    let found = report.scores.iter().position(is_it);
    found.unwrap_or_else(|| panic!("{task} {key} is there"))
}

#[test]
fn scores_stand_side_by_side_in_the_order_of_a_readers_questions() {
    let report = run().report();
    let order = [
        ("off_target_por_Latn", "in_language"),
        ("translation_eng_Latn-por_Latn", "chrf++"),
        ("perplexity_por_Latn", "token_perplexity"),
        ("held_out_loss_por_Latn", "loss"),
        ("held_out_loss_LL", "loss"),
        ("belebele_por_Latn", "acc"),
    ]
    .map(|(task, key)| position(&report, task, key));
    assert!(order.is_sorted(), "{order:?}");
    let row = |task: &str, key: &str| &report.scores[position(&report, task, key)];
    let chrf = row("translation_eng_Latn-por_Latn", "chrf++");
    assert_eq!(chrf.title, "chrF2++");
    assert_eq!(chrf.group, "Translation, English → Portuguese");
    assert_eq!(chrf.headline.as_deref(), Some("chrF++ into Portuguese"));
    assert!(
        chrf.signature.starts_with("nrefs:1|case:mixed|"),
        "{}",
        chrf.signature
    );
    // Metrics are compared in points, losses by their ratio.
    assert_eq!(chrf.relative(), None);
    let loss = row("held_out_loss_LL", "loss");
    let ratio = loss.after.expect("a loss") / loss.before.expect("a loss");
    assert!((loss.relative().expect("a ratio") - (ratio - 1.0)).abs() < 1e-12);
    let into_english = row("translation_por_Latn-eng_Latn", "chrf++");
    assert_eq!(
        into_english.headline, None,
        "English is what the model knows"
    );
    let subset = row("held_out_loss_LL", "loss");
    assert_eq!(subset.title, "LL examples");
    assert_eq!(subset.group, row("held_out_loss_por_Latn", "loss").group);
    for row in &report.scores {
        let (before, after) = (row.before_confidence, row.after_confidence);
        for (score, interval) in [(row.before, before), (row.after, after)] {
            let (score, interval) = (score.expect("a score"), interval.expect("an interval"));
            assert!(
                interval.low <= interval.high && score.is_finite(),
                "{row:?}"
            );
        }
        let p = row.p_value.expect("the same documents");
        assert!(p > 0.0 && p <= 1.0 && row.verdict.is_some(), "{row:?}");
    }
}

#[test]
fn stages_are_reported_with_what_they_rejected() {
    let report = run().report();
    let stages: Vec<&str> = report
        .funnel
        .iter()
        .map(|stage| stage.stage.as_str())
        .collect();
    assert_eq!(
        stages,
        ["answer", "translate", "filter", "code_switch", "mix"]
    );
    let answer = &report.funnel[0];
    assert_eq!((answer.rows, answer.outputs, answer.dropped), (25, 24, 1));
    // Four tokens are no answer.
    assert_eq!(answer.reasons[0].reason, "cut_off");
    let filter = &report.funnel[2];
    assert!(
        !filter.reasons.is_empty(),
        "random translations are rejected"
    );
    for reason in report.funnel.iter().flat_map(|stage| &stage.reasons) {
        assert_eq!(
            reason.fields.values().sum::<u64>(),
            reason.count,
            "{reason:?}"
        );
        assert!((1..=2).contains(&reason.examples.len()), "{reason:?}");
    }
    let translations = filter.reasons.iter().flat_map(|reason| &reason.examples);
    let translation = translations
        .into_iter()
        .find(|one| one.field.ends_with(".translation"));
    let texts = &translation.expect("a rejected translation").texts;
    let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["source", "translation"]);
}

#[test]
fn training_time_and_models_are_reported() {
    let report = run().report();
    let training = report.training.as_ref().expect("was trained");
    let finished = &training.finished.as_ref().expect("has finished").summary;
    assert_eq!(training.steps, finished.steps as u64);
    assert_eq!(training.train["all"].len(), finished.steps);
    assert!(!training.held_out["LL"].is_empty());
    assert!(
        training
            .best_held_out_loss
            .expect("was evaluated")
            .1
            .is_finite()
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
    let llm = report
        .models
        .iter()
        .find(|model| model.identity.model.ends_with("bpe.gguf"));
    let llm = llm.expect("the LLM");
    assert_eq!(llm.identity.licence.as_deref(), Some("apache-2.0"));
    assert!(
        llm.used_by.iter().any(|part| part == "answer"),
        "{:?}",
        llm.used_by
    );
}

#[test]
fn the_page_is_self_contained_and_escaped() {
    let page = fs::read_to_string(run().path().join("report.html")).expect("a page");
    let lower = page.to_lowercase();
    for forbidden in ["<script", "<link", "<img", " src=", "@import", "url("] {
        assert!(!lower.contains(forbidden), "{forbidden}");
    }
    for no_number in ["=\"nan", ",nan", ":nan%", "=\"inf", ",inf", ":inf%"] {
        assert!(!lower.contains(no_number), "{no_number}");
    }
    assert!(
        page.contains("&lt;script&gt;"),
        "a malformed row is shown, escaped"
    );
    assert!(page.contains("bpe learns Portuguese"));
    for id in ["scores", "answers", "samples", "training", "funnel", "run"] {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    assert!(page.contains("BELEBELE accuracy in Portuguese"));
}

#[test]
fn report_json_has_the_documented_form_and_reads_back() {
    let path = run().path().join("report.json");
    let json = json_of(&path);
    for row in json["scores"].as_array().expect("a list") {
        for key in ["name", "task", "language", "before", "after", "signature"] {
            assert!(!row[key].is_null(), "{key} of {row}");
        }
    }
    let back: Report = serde_json::from_value(json).expect("reads back");
    assert_eq!(back, run().report(), "an unchanged run has the same report");
}

#[test]
fn the_terminal_shows_every_score_within_its_width() {
    let report = run().report();
    let table = terminal::render(&report, Some(120));
    assert!(table.contains("Translation, English → Portuguese") && table.contains("chrF2++"));
    assert!(table.contains("cut off"), "{table}");
    assert!(
        table.lines().all(|line| line.chars().count() <= 120),
        "{table}"
    );
    assert!(
        run().printed.contains("BELEBELE, Portuguese"),
        "{}",
        run().printed
    );
}

#[test]
fn a_run_that_has_only_begun_has_a_report() {
    let begun = &run().begun;
    assert_eq!(begun["funnel"].as_array().map(Vec::len), Some(1));
    assert_eq!(begun["scores"], json!([]));
    assert_eq!(begun["training"], Value::Null);
}

#[test]
fn another_folder_is_not_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Report::gather(folder.path()).expect_err("an empty folder");
    assert!(matches!(error, ReportError::NotARun(_)), "{error}");
}
