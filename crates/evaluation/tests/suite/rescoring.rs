//! Saved outputs that are scored again.

use std::path::Path;
use std::sync::atomic::Ordering;

use corpus::progress::Silent;
use corpus::seam::{Answerer, TextScorer};
use evaluation::results::Results;
use evaluation::suite::{Absent, EvaluateConfig, EvaluateError, evaluate};
use evaluation::task::Subject;
use evaluation::task::generation::AnswerPart;

use crate::{Accents, ENGLISH, Scripted, material, number, run, samples};

const OFF_TARGET: &str = "off_target_por_Latn";

/// Another scoring of the same outputs: no answer is a copy, and translations are first lines.
fn other_scoring() -> EvaluateConfig {
    EvaluateConfig {
        batch_size: 2,
        copied_share: 1.1,
        translation_answer: AnswerPart::FirstLine,
        ..EvaluateConfig::default()
    }
}

fn again(subject: &Subject<'_>, folder: &Path) -> Result<Results, EvaluateError> {
    evaluate(
        subject,
        ENGLISH,
        &material(),
        &other_scoring(),
        folder,
        &Silent,
    )
}

fn subject<M: Answerer + TextScorer>(model: &M) -> Subject<'_> {
    Subject {
        answerer: model,
        scorer: Some(model),
        identifier: &Accents,
        metric: None,
    }
}

#[test]
fn another_scoring_asks_no_model_and_equals_a_new_evaluation() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");
    let model = Scripted::new("1", 0);
    let results = again(&subject(&model), folder.path()).expect("scores again");
    assert_eq!(model.calls.load(Ordering::SeqCst), 0);
    let copied = |results| number(results, OFF_TARGET, "copied");
    assert!(copied(&before) > 16.0);
    assert_eq!(copied(&results), 0.0);

    let afresh = tempfile::tempdir().expect("a folder");
    let whole = Scripted::new("1", usize::MAX);
    let expected = again(&subject(&whole), afresh.path()).expect("evaluates");
    assert_eq!(results.results, expected.results);
    assert_eq!(samples(folder.path()), samples(afresh.path()));
}

#[test]
fn the_model_need_not_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let saved = run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");
    let model = Absent::of(&saved);
    let results = again(&subject(&model), folder.path()).expect("scores again");
    assert_eq!(number(&results, OFF_TARGET, "copied"), 0.0);
    let key = results.key().expect("complete");
    let whole = Scripted::new("1", 0);
    let same = again(&subject(&whole), folder.path()).expect("is finished");
    assert_eq!(same.key(), Some(key));
}

#[test]
fn outputs_of_another_model_or_for_other_documents_are_not_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let saved = run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");

    let mut other = material();
    other.questions.values_mut().for_each(|questions| {
        questions[0].question = "Uma pergunta nova?".to_owned();
    });
    let model = Absent::of(&saved);
    let config = other_scoring();
    let absent = subject(&model);
    let error = evaluate(&absent, ENGLISH, &other, &config, folder.path(), &Silent);
    let error = error.expect_err("the question is new");
    let said = format!(
        "{error}: {}",
        std::error::Error::source(&error).expect("a cause")
    );
    assert!(
        said.contains(OFF_TARGET) && said.contains("evaluate without --rescore"),
        "{said}"
    );

    let trained = Scripted::new("2", 0);
    again(&subject(&trained), folder.path()).expect_err("has to be asked");
    assert!(trained.calls.load(Ordering::SeqCst) > 0);
}

#[test]
fn a_kill_between_the_samples_and_their_results_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let saved = run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");
    let old = std::fs::read(folder.path().join(Results::FILE)).expect("results");
    let model = Absent::of(&saved);
    let expected = again(&subject(&model), folder.path()).expect("scores again");
    std::fs::write(folder.path().join(Results::FILE), old).expect("writes");
    let results = again(&subject(&model), folder.path()).expect("scores again");
    assert_eq!(results.results, expected.results);
    // Edited outputs are not the model's.
    let path = folder.path().join(Results::samples_file(OFF_TARGET));
    let edited = std::fs::read_to_string(&path).expect("samples");
    std::fs::write(
        &path,
        edited.replace("An answer in English", "Some other answer"),
    )
    .expect("writes");
    let model = Scripted::new("1", usize::MAX);
    again(&subject(&model), folder.path()).expect("evaluates");
    assert_eq!(model.calls.load(Ordering::SeqCst), 3);
}
