//! Verdicts, losses and perplexities.

use corpus::language::Language;
use corpus::progress::Silent;
use corpus::seam::{EngineIdentity, Identification, LanguageIdentifier};
use evaluation::results::Results;
use evaluation::suite::{EvaluateConfig, evaluate, read_samples};
use evaluation::task::Subject;

use crate::{Accents, ENGLISH, Scripted, identity, material, number, run};

#[test]
fn every_answer_has_one_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");
    let task = "off_target_por_Latn";
    for key in [
        "in_language",
        "off_target",
        "copied",
        "looped",
        "abstained",
        "empty",
    ] {
        let rate = number(&results, task, key);
        assert!((rate - 100.0 / 6.0).abs() < 1e-9, "{key}: {rate}");
    }
    let record = &results.xldistill.tasks[task];
    assert_eq!(record.histogram, [("eng_Latn".to_owned(), 1)].into());
    let verdicts: Vec<String> = read_samples(&folder.path().join(Results::samples_file(task)))
        .iter()
        .map(|sample| {
            sample.observed["verdict"]
                .as_str()
                .expect("a verdict")
                .to_owned()
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            "in_language",
            "off_target",
            "copied",
            "looped",
            "abstained",
            "empty"
        ]
    );
}

#[test]
fn perplexity_and_loss_follow_the_probabilities() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");
    let close = |task: &str, key: &str, expected: f64| {
        let ours = number(&results, task, key);
        assert!((ours - expected).abs() < 1e-6, "{task} {key}: {ours}");
    };
    close("perplexity_por_Latn", "token_perplexity", 2.0);
    close("perplexity_por_Latn", "byte_perplexity", 2.0);
    close("perplexity_por_Latn", "loss", std::f64::consts::LN_2);
    close("held_out_loss_por_Latn", "loss", std::f64::consts::LN_2);
    close("held_out_loss_LL", "loss", (4.0f64 / 3.0).ln());
    close("held_out_loss_TL_por_Latn", "loss", (4.0f64 / 3.0).ln());
    let tasks: Vec<&str> = results.results.keys().map(String::as_str).collect();
    assert!(
        tasks.contains(&"translation_eng_Latn-por_Latn"),
        "{tasks:?}"
    );
    assert!(
        tasks.contains(&"translation_por_Latn-eng_Latn"),
        "{tasks:?}"
    );
    assert!(number(&results, "translation_eng_Latn-por_Latn", "chrf++") > 30.0);
}

#[test]
fn a_model_that_cannot_score_is_evaluated_on_its_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Scripted::new("1", usize::MAX);
    let subject = Subject {
        answerer: &model,
        scorer: None,
        identifier: &Accents,
        metric: None,
    };
    let config = EvaluateConfig::default();
    let results = evaluate(
        &subject,
        ENGLISH,
        &material(),
        &config,
        folder.path(),
        &Silent,
    )
    .expect("runs");
    assert_eq!(results.results.len(), 3, "{:?}", results.results.keys());
    assert!(results.xldistill.complete);
}

/// Names a language that it does not know, as identifiers do.
struct KnowsOnlyEnglish;

impl LanguageIdentifier for KnowsOnlyEnglish {
    fn identity(&self) -> EngineIdentity {
        identity("english-only", "1")
    }

    fn knows(&self, language: Language) -> bool {
        language == ENGLISH
    }

    fn identify(&self, _: &str) -> Identification {
        Identification::Identified {
            language: ENGLISH,
            probability: 1.0,
        }
    }
}

#[test]
fn an_identifier_has_no_say_in_a_language_it_does_not_know() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Scripted::new("1", usize::MAX);
    let subject = Subject {
        answerer: &model,
        scorer: None,
        identifier: &KnowsOnlyEnglish,
        metric: None,
    };
    let config = EvaluateConfig::default();
    let results = evaluate(
        &subject,
        ENGLISH,
        &material(),
        &config,
        folder.path(),
        &Silent,
    )
    .expect("runs");
    assert_eq!(number(&results, "off_target_por_Latn", "off_target"), 0.0);
    assert!((number(&results, "off_target_por_Latn", "abstained") - 50.0).abs() < 1e-9);
}
