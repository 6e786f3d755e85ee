//! The verdict on a run, from constructed scores.

use evaluation::classification::ACCURACY;
use evaluation::report::verdict::{self, Outcome};
use evaluation::report::{Report, RunVerdict, html, terminal};
use serde_json::{Value, json};

/// A score of 100 documents; the interval of `after` is 4 points wide on each side.
fn score(task: &str, key: &str, language: &str, title: &str, scores: [f64; 2], p: f64) -> Value {
    let higher = ["in_language", "chrf++", "acc"].contains(&key);
    let [before, after] = scores;
    let verdict = match p < 0.05 {
        true if (after > before) == higher => "better",
        true => "worse",
        false => "no_difference",
    };
    let interval = |at: f64| {
        json!({ "confidence_mean": at, "confidence_var": 4.0, "confidence_low": at - 4.0,
            "confidence_high": at + 4.0, "stderr": 2.0 })
    };
    json!({
        "name": title, "task": task, "key": key, "group": format!("Group of {task}"),
        "title": title, "headline": null, "language": language, "before": before, "after": after,
        "signature": "", "unit": "%", "higher_is_better": higher, "p_value": p,
        "before_confidence": interval(before), "after_confidence": interval(after),
        "verdict": verdict,
    })
}

fn report(scores: &[Value], training: Value) -> Report {
    let report = json!({
        "name": "a run", "version": "0", "finished_at": 0, "model": "models/tiny.gguf",
        "source": "eng_Latn", "targets": ["por_Latn"], "scores": scores, "answers": [],
        "samples": [], "funnel": [], "training": training, "timing": [], "models": [],
        "config": null,
    });
    serde_json::from_value(report).expect("a report")
}

fn verdict_on(scores: &[Value]) -> RunVerdict {
    verdict::of(&report(scores, Value::Null)).expect("scores to compare")
}

/// A training of `steps` steps whose held-out loss went through `held_out`.
fn training(steps: u64, held_out: &[f64]) -> Value {
    let best = held_out.iter().copied().fold(f64::INFINITY, f64::min);
    let curve: Vec<_> = held_out.iter().enumerate().collect();
    let step = curve.iter().position(|(_, loss)| **loss == best);
    json!({
        "steps": steps, "epochs": 1.0, "tokens": 1000, "tokens_per_second": 1.0, "seconds": 1.0,
        "first_held_out_loss": held_out[0], "best_held_out_loss": [step, best], "finished": null,
        "train": {}, "held_out": { "all": curve },
    })
}

const OFF_TARGET: &str = "off_target_por_Latn";

#[test]
fn a_model_that_begins_to_answer_in_english_is_not_ready_though_its_losses_fell() {
    let scores = [
        score(
            OFF_TARGET,
            "in_language",
            "por_Latn",
            "answers in the language",
            [20.0, 45.0],
            0.001,
        ),
        score(
            OFF_TARGET,
            "off_target",
            "por_Latn",
            "answers in another language",
            [0.0, 50.0],
            0.0001,
        ),
        score(
            "held_out_loss_por_Latn",
            "loss",
            "por_Latn",
            "reference answers",
            [3.0, 2.0],
            0.0001,
        ),
    ];
    let report = report(&scores, training(51, &[2.6, 2.3]));
    let verdict = verdict::of(&report).expect("scores to compare");
    assert_eq!(verdict.outcome, Outcome::Worse);
    assert_eq!(
        verdict.summary,
        "Not ready to use: the share of answers in another language rose from 0.0\u{a0}% to 50.0\u{a0}%."
    );
    assert_eq!(verdict.better.len(), 2);
    assert_eq!(verdict.worse[0].measure, "off_target");
    assert!(
        verdict.advice[0].starts_with("Training had 51 steps, too few"),
        "{verdict:?}"
    );
}

#[test]
fn gains_without_losses_are_better_and_losses_of_english_are_named() {
    let gain = score(
        OFF_TARGET,
        "in_language",
        "por_Latn",
        "answers in the language",
        [20.0, 78.0],
        0.001,
    );
    let same = score(
        "off_target_eng_Latn",
        "in_language",
        "eng_Latn",
        "answers in the language",
        [88.0, 84.0],
        0.7,
    );
    let verdict = verdict_on(&[gain.clone(), same]);
    assert_eq!(verdict.outcome, Outcome::Better);
    assert_eq!(
        verdict.summary,
        "The model got better at Portuguese, and no measure got worse."
    );
    assert!(
        verdict.worse.is_empty() && verdict.advice.is_empty(),
        "{verdict:?}"
    );

    let lost = score(
        "perplexity_eng_Latn",
        "byte_perplexity",
        "eng_Latn",
        "per byte",
        [2.0, 3.0],
        0.001,
    );
    let verdict = verdict_on(&[gain, lost]);
    assert_eq!(verdict.outcome, Outcome::Mixed);
    assert_eq!(
        verdict.summary,
        "The model got better at Portuguese, but lost English."
    );
    assert!(
        verdict.advice[0].contains("`train.learning_rate`"),
        "{verdict:?}"
    );
}

#[test]
fn faults_that_stay_frequent_are_named_only_if_the_whole_interval_is_above_the_limit() {
    let looped = |after| {
        score(
            OFF_TARGET,
            "looped",
            "por_Latn",
            "answers looping",
            [30.0, after],
            0.3,
        )
    };
    let verdict = verdict_on(&[looped(20.0)]);
    assert_eq!(verdict.worse.len(), 1);
    assert_eq!(
        verdict.worse[0].text,
        "Group of off_target_por_Latn: still too many answers looping, 30.0\u{a0}% → 20.0\u{a0}%"
    );
    assert!(
        verdict.advice[0].contains("`answer.max_new_tokens`"),
        "{verdict:?}"
    );
    let verdict = verdict_on(&[looped(13.0)]);
    assert_eq!(
        (verdict.outcome, verdict.worse.len()),
        (Outcome::NoDifference, 0)
    );
}

#[test]
fn losses_alone_do_not_make_a_model_better_at_answering() {
    let loss = |task: &str, p| score(task, "loss", "por_Latn", "loss", [3.0, 2.0], p);
    let verdict = verdict_on(&[loss("held_out_loss_por_Latn", 0.001)]);
    assert_eq!(verdict.outcome, Outcome::Better);
    assert!(
        verdict.summary.contains("did not get measurably better"),
        "{verdict:?}"
    );
    // A part of the training set decides nothing.
    let verdict = verdict_on(&[loss("held_out_loss_TT_por_Latn", 0.001)]);
    assert_eq!(verdict.outcome, Outcome::NoDifference);
}

#[test]
fn the_languages_named_are_those_that_got_better() {
    let loss = |task: &str, language: &str, p| score(task, "loss", language, "loss", [3.0, 2.0], p);
    let english = loss("held_out_loss_eng_Latn", "eng_Latn", 0.001);
    let verdict = verdict_on(std::slice::from_ref(&english));
    assert!(
        verdict.summary.starts_with("English text became"),
        "{verdict:?}"
    );
    let portuguese = loss("held_out_loss_por_Latn", "por_Latn", 0.001);
    let verdict = verdict_on(&[english.clone(), portuguese]);
    assert!(
        verdict.summary.starts_with("Portuguese text became"),
        "{verdict:?}"
    );
    // A fault of the English answers beside it.
    let fault = score(
        "off_target_eng_Latn",
        "empty",
        "eng_Latn",
        "empty",
        [40.0, 41.0],
        0.5,
    );
    let verdict = verdict_on(&[english, fault]);
    assert_eq!(verdict.outcome, Outcome::Mixed);
    assert!(
        verdict.summary.contains("better at English, with"),
        "{verdict:?}"
    );
}

#[test]
fn the_course_of_training_advises() {
    let same = [score(
        OFF_TARGET,
        "in_language",
        "por_Latn",
        "answers",
        [20.0, 21.0],
        0.8,
    )];
    let advice = |losses: &[f64]| {
        let report = report(&same, training(500, losses));
        verdict::of(&report).expect("scores").advice.concat()
    };
    assert!(advice(&[2.648, 2.634]).contains("hardly fell (2.648 → 2.634)"));
    assert!(advice(&[2.6, 2.0, 2.2]).contains("lowest at step 1 and rose again"));
    assert!(advice(&[2.6, 2.0]).starts_with("Train on more data"));
    // Nothing asks for more epochs and for fewer.
    let copied = [score(
        OFF_TARGET,
        "copied",
        "por_Latn",
        "answers copying the question",
        [10.0, 60.0],
        0.0001,
    )];
    for steps in [51, 5_000] {
        let report = report(&copied, training(steps, &[2.6, 2.0, 2.2]));
        let advice = verdict::of(&report).expect("scores").advice.concat();
        assert!(advice.to_lowercase().contains("add questions"), "{advice}");
        assert!(advice.contains("train for fewer epochs"), "{advice}");
        assert!(!advice.contains("train.epochs"), "{advice}");
    }
}

#[test]
fn page_terminal_and_json_show_the_verdict() {
    let scores = [score(
        OFF_TARGET,
        "off_target",
        "por_Latn",
        "answers in another language",
        [0.0, 50.0],
        0.0001,
    )];
    let mut report = report(&scores, training(51, &[2.6, 2.3]));
    report.verdict = verdict::of(&report);
    let page = html::page(&report);
    let verdict = page.find("<section id=\"verdict\">").expect("a verdict");
    let scores = page.find("<section id=\"scores\">").expect("scores");
    assert!(verdict < scores, "the verdict comes first");
    assert!(page.contains("Not ready to use") && page.contains("<code>train.epochs</code>"));
    assert!(
        page.contains("xldistill chat --model &#39;a run/model&#39;")
            || page.contains("xldistill chat --model 'a run/model'"),
        "{page}"
    );
    let folder = page.contains("--to gguf &#39;a run-gguf&#39;");
    assert!(folder || page.contains("--to gguf 'a run-gguf'"), "{page}");
    for width in [60, 80, 120] {
        let text = terminal::render(&report, Some(width));
        assert!(text.contains("▼ Worse. Not ready to use"), "{text}");
        let longest = text
            .lines()
            .map(|line| line.chars().count())
            .max()
            .expect("lines");
        assert!(longest <= usize::from(width), "{width}:\n{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    let json = serde_json::to_value(&report).expect("plain data");
    assert_eq!(json["verdict"]["outcome"], "worse");
}

#[test]
fn nothing_to_compare_has_no_verdict() {
    assert_eq!(verdict::of(&report(&[], Value::Null)), None);
}

/// A classification of topics: `(language, own score, of the encoder alone, p)`.
fn classified(sets: &[(&str, f64, f64, f64)]) -> RunVerdict {
    classified_beside(sets, None)
}

/// The same, and that of the LLM in every language, which differs from the stack's.
fn classified_beside(sets: &[(&str, f64, f64, f64)], llm: Option<f64>) -> RunVerdict {
    let measure = |score: f64| {
        json!([{ "key": ACCURACY, "name": "accuracy", "signature": "", "aggregate": { "kind": "ratio", "scale": 1.0 },
            "higher_is_better": true, "unit": "share", "score": score, "confidence": {
            "confidence_mean": score, "confidence_var": 0.02, "confidence_low": score - 0.02,
            "confidence_high": score + 0.02, "stderr": 0.01 } }])
    };
    let system = |score: f64| json!({ "key": "", "predictions_hash": "", "seconds": 1.0, "measures": measure(score), "confusion": [] });
    let sets: Vec<Value> = sets
        .iter()
        .map(|(language, own, other, p)| {
            let comparison = |system: &str, other: f64, p: f64| {
                json!({ "system": system, "measure": ACCURACY, "difference": own - other, "p_value": p })
            };
            let mut set = json!({
                "task": "topic", "name": "topic", "title": "Topics",
                "language": { "code": language, "name": language, "told": null }, "labels": ["a", "b"],
                "rows": 500, "chance": { "uniform": 0.5, "majority": 0.5, "majority_f1": 0.3, "majority_label": "a" },
                "systems": { "mt-llm": system(*own), "encoder-alone": system(*other) },
                "comparisons": [comparison("encoder-alone", *other, *p)],
            });
            if let Some(llm) = llm {
                set["systems"]["llm"] = system(llm);
                let comparisons = set["comparisons"].as_array_mut().expect("a list");
                comparisons.push(comparison("llm", llm, 0.001));
            }
            set
        })
        .collect();
    let named = |name: &str, title: &str| json!({ "name": name, "title": title, "about": "", "engines": [] });
    let mut systems = vec![
        named("mt-llm", "MT-LLM"),
        named("encoder-alone", "Encoder alone"),
    ];
    systems.extend(llm.map(|_| named("llm", "LLM")));
    let results = json!({
        "version": "0", "title": "A on B", "source": "eng_Latn", "finished_at": 0.0, "complete": true,
        "systems": systems, "sets": sets,
    });
    let mut report = report(&[], Value::Null);
    report.classification = Some(serde_json::from_value(results).expect("results"));
    verdict::of(&report).expect("a verdict")
}

#[test]
fn a_stack_is_judged_against_its_encoder_and_against_chance() {
    let verdict = classified(&[("German", 0.8, 0.7, 0.001), ("Thai", 0.75, 0.74, 0.6)]);
    assert_eq!(verdict.outcome, Outcome::Better);
    assert_eq!(
        verdict.summary,
        "MT-LLM is better than Encoder alone on 1 of 2 test sets and worse on none."
    );
    let level = [("German", 0.8, 0.79, 0.6), ("Thai", 0.75, 0.74, 0.6)];
    let verdict = classified(&level);
    assert_eq!(verdict.outcome, Outcome::NoDifference);
    let summary = "MT-LLM is neither better nor worse than Encoder alone on 2 test sets.";
    assert_eq!(verdict.summary, summary);
    let verdict = classified_beside(&level, Some(0.6));
    assert_eq!(verdict.outcome, Outcome::Better);
    assert_eq!(
        verdict.summary,
        summary.replace("sets.", "sets, but better than LLM.")
    );
    let verdict = classified(&[("German", 0.7, 0.8, 0.001), ("Thai", 0.51, 0.5, 0.6)]);
    assert_eq!(verdict.outcome, Outcome::Worse);
    let worse: Vec<&str> = verdict
        .worse
        .iter()
        .map(|finding| finding.text.as_str())
        .collect();
    assert!(
        worse[0].starts_with("Topics: worse than Encoder alone in German"),
        "{worse:?}"
    );
    assert_eq!(
        worse[1],
        "Topics: no better than the most frequent label in Thai"
    );
    assert!(
        verdict
            .advice
            .iter()
            .any(|line| line.contains("Languages at chance")),
        "{verdict:?}"
    );
}
