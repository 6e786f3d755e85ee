//! The rows that each method mixes.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::Run;

/// Number of rows of each subset, of those with the LLM's own answer, and of those with a teacher.
type Counts = BTreeMap<String, [usize; 3]>;

fn mixed(run: &Run, name: &str, setting: &str) -> Counts {
    let output = format!("output={}", run.path(name).display());
    let store = format!("store={}", run.path("store").display());
    let without_held_out = ["mix.held_out_fraction=0", "mix.test_fraction=0"];
    let arguments = ["run", "--until", "mix", &output, &store, setting];
    run.succeed(&[&arguments[..], &without_held_out].concat());
    let rows = run.path(name).join("mix/part-00000-of-00001.jsonl");
    let mut counts = Counts::new();
    for line in fs::read_to_string(rows).expect("rows").lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let subset = row["subset"].as_str().expect("a subset").to_owned();
        let count = counts.entry(subset).or_default();
        // The server's answers begin like this, and its translations turn words around.
        let answer = row["answer"].as_str().expect("an answer");
        count[0] += 1;
        count[1] += usize::from(answer.starts_with("You asked") || answer.starts_with("uoY deksa"));
        count[2] += usize::from(row["teacher_question"].is_string());
    }
    counts
}

#[test]
fn every_method_mixes_its_rows() {
    let run = Run::new();
    let all = "LL TL LT TT mt comp";
    for (setting, subsets, own, taught) in [
        ("method=sdrrl", all, 0.5, ""),
        ("method=sft", "LL", 0.0, ""),
        ("method=t-sft", "LL TT", 0.0, ""),
        ("method=cit", "LL LT", 0.0, ""),
        ("method=xcot", "LL TL TT", 0.0, "TL"),
        ("method=self-distil", all, 1.0, "LL TL"),
        ("ablation=without-tl-lt", "LL TT mt comp", 0.5, ""),
        ("ablation=without-own-answers", all, 0.0, ""),
        ("ablation=without-mt-comp", "LL TL LT TT", 0.5, ""),
        ("ablation=without-code-switching", all, 0.5, ""),
        ("ablation=only-mt-comp", "mt comp", 0.5, ""),
    ] {
        let name = setting.split_once('=').expect("a name").1;
        let counts = mixed(&run, name, setting);
        let mut expected: Vec<&str> = subsets.split(' ').collect();
        expected.sort_unstable();
        assert_eq!(counts.keys().collect::<Vec<_>>(), expected, "{setting}");
        for (subset, &[rows, owned, with_teacher]) in &counts {
            let of_questions = !["mt", "comp"].contains(&subset.as_str());
            if of_questions {
                let share = owned as f64 / rows as f64;
                // Exactly none or all; four standard deviations of some 120 draws otherwise.
                let slack = if own == 0.5 { 0.19 } else { 0.0 };
                assert!((share - own).abs() <= slack, "{setting} {subset}: {share}");
            }
            let is_taught = taught.split(' ').any(|name| name == subset);
            let expected = if is_taught { rows } else { 0 };
            assert_eq!(with_teacher, expected, "{setting} {subset}");
        }
    }
    assert_eq!(
        run.requests_to("/v1/chat/completions"),
        121,
        "the methods share the answers"
    );
}

#[test]
fn without_own_answers_nobody_is_asked_for_them() {
    let run = Run::new();
    for setting in ["method=t-sft", "ablation=only-mt-comp"] {
        let output = format!("output={}", run.path(setting).display());
        run.succeed(&["run", "--until", "mix", &output, setting]);
        let rows = run.path(setting).join("mix/part-00000-of-00001.jsonl");
        assert!(fs::read_to_string(rows).expect("rows").lines().count() > 0);
    }
    assert_eq!(run.requests_to("/v1/chat/completions"), 0);
    run.succeed(&["run", "--until", "answer", "method=sdrrl"]);
    assert!(run.requests_to("/v1/chat/completions") > 0);
}

#[test]
fn a_dry_run_and_a_plan_show_what_the_method_chose() {
    let run = Run::new();
    for command in [&["run", "--dry-run"][..], &["plan"]] {
        let output =
            run.xldistill(&[command, &["method=t-sft", "mix.code_switched=true"]].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let chosen = "method t-sft: LL TT; own answers in 0 % of the questions, code-switched";
        assert!(said.contains(chosen), "{said}");
    }
}
