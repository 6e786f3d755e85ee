//! The report of classifiers.

use evaluation::classification::ACCURACY;
use evaluation::report::{Report, terminal};

use crate::made::{LANGUAGES, made};

fn report() -> Report {
    Report::gather(&made().path()).expect("a run")
}

#[test]
fn report_json_names_the_system_of_each_score() {
    let report = report();
    let accuracies: Vec<_> = report
        .scores
        .iter()
        .filter(|row| row.key == ACCURACY)
        .collect();
    // Three systems in seven languages, and translations from Portuguese.
    assert_eq!(accuracies.len(), 3 * LANGUAGES.len() + 1);
    let of = |system: &str, language: &str| {
        let is_it = |row: &&&evaluation::report::ScoreRow| {
            row.system.as_deref() == Some(system) && row.language == language
        };
        *accuracies.iter().find(is_it).expect("a score")
    };
    let stack = of("mt-llm", "por_Latn");
    let llm = of("llm-zero-shot", "por_Latn");
    assert_eq!(
        (stack.name.as_str(), stack.task.as_str()),
        ("accuracy", "topic")
    );
    assert_eq!(stack.before, llm.after, "the LLM on the same rows");
    assert!(stack.p_value.is_some() && stack.verdict.is_some());
    assert_eq!((llm.before, llm.p_value), (None, None));
    let json = serde_json::to_value(&report).expect("plain data");
    assert_eq!(json["scores"][0]["system"], "mt-llm");
    assert_eq!(
        serde_json::from_value::<Report>(json).expect("a report"),
        report
    );
}

#[test]
fn the_page_shows_every_language_system_and_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = report();
    let page =
        std::fs::read_to_string(report.write(folder.path()).expect("writes")).expect("a page");
    for id in ["accuracy", "confusion", "changes", "training", "run"] {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
        assert!(page.contains(&format!("href=\"#{id}\"")), "{id}");
    }
    assert!(
        !page.contains("id=\"scores\""),
        "there is no score before and after"
    );
    for text in [
        "A tiny Llama on a tiny encoder",
        "Translate-test",
        "Japanese",
        "LLM, zero-shot",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(
        page.matches("<svg class=\"bars\"").count(),
        LANGUAGES.len() + 1
    );
    assert_eq!(
        page.matches("<table class=\"confusion\"").count(),
        LANGUAGES.len()
    );
    assert!(!page.contains("NaN") && !page.contains("inf%") && !page.contains("<script"));
    let trainings: Vec<&str> = report
        .trainings
        .iter()
        .map(|one| one.title.as_str())
        .collect();
    assert_eq!(
        trainings,
        [
            "classify, topic",
            "baselines, encoder-alone, topic",
            "distill"
        ]
    );
    let measured = &report.trainings[0].course.measured;
    assert_eq!(measured[0].title, "Accuracy");
    assert!(measured[0].held_out["all"].len() > 2);
    // The same run gives the same bytes.
    let again = folder.path().join("again");
    std::fs::create_dir(&again).expect("a folder");
    let second = Report::gather(&made().path())
        .expect("a run")
        .write(&again)
        .expect("writes");
    assert_eq!(std::fs::read_to_string(second).expect("a page"), page);
}

#[test]
fn the_terminal_shows_a_line_for_each_language() {
    let text = terminal::render(&report(), Some(120));
    assert!(text.starts_with("topic, accuracy\n"), "{text}");
    let line = |start: &str| {
        text.lines()
            .find(|line| line.trim_start().starts_with(start))
    };
    for language in [
        "English",
        "German",
        "French",
        "Japanese",
        "Portuguese",
        "Russian",
        "Spanish",
    ] {
        assert!(line(language).is_some(), "{language}: {text}");
    }
    let portuguese = line("Portuguese").expect("a line");
    assert_eq!(
        portuguese.matches('%').count(),
        5,
        "four systems and chance: {portuguese}"
    );
    for start in ["mean of the others", "95 % interval", "MT-LLM minus it"] {
        assert!(line(start).is_some(), "{start}: {text}");
    }
    assert!(
        line("distill").is_some_and(|line| line.contains("steps")),
        "{text}"
    );
}
