//! What cannot be evaluated, and what the message says.

use corpus::language::Language;
use evaluation::classification::{
    Contender, ENCODER_ALONE, LLM_ZERO_SHOT, MT_LLM, TRANSLATE_TEST, TaskTest,
};

use crate::{Reader, rows, run, sets, test};

/// The message of an evaluation that must fail before anything is written.
fn refused(contenders: Vec<Contender<'_>>, sets: &[TaskTest]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("evaluate");
    let error = run(contenders, sets, &own).expect_err("cannot be evaluated");
    assert!(!own.join("classification.json").exists());
    error.to_string()
}

fn reader() -> Reader {
    Reader::new(&[("good", 0)], "1")
}

#[test]
fn sets_and_models_must_fit() {
    let message = refused(vec![Contender::new(&MT_LLM, reader())], &[]);
    assert!(message.contains("no test set"), "{message}");

    let other = test(
        "topic",
        Language::ENGLISH,
        &["sport"],
        rows(&[("a ball", 0)]),
    );
    let message = refused(vec![Contender::new(&MT_LLM, reader())], &[other]);
    assert!(
        message.contains("no model has a task called \"topic\"; there are mood, quiz"),
        "{message}"
    );

    let foreign = test("mood", Language::ENGLISH, &["gut"], rows(&[("a ball", 0)]));
    let message = refused(vec![Contender::new(&MT_LLM, reader())], &[foreign]);
    assert!(
        message.contains("its labels (gut) have none in common"),
        "{message}"
    );
    assert!(message.contains("(good, bad, so-so)"), "{message}");

    let binary = Reader {
        labels: vec!["good", "bad"],
        ..reader()
    };
    let contenders = vec![
        Contender::new(&MT_LLM, reader()),
        Contender::new(&ENCODER_ALONE, binary),
    ];
    let message = refused(contenders, &sets());
    assert!(
        message.contains("Encoder alone has the labels good, bad, but MT-LLM has"),
        "{message}"
    );
}

#[test]
fn nothing_is_evaluated_twice() {
    let twice = || Contender::new(&LLM_ZERO_SHOT, reader());
    let message = refused(vec![twice(), twice()], &sets());
    assert!(
        message.contains("mood, diary, eng_Latn: LLM, zero-shot is evaluated twice"),
        "{message}"
    );
    let sets = [sets(), sets()].concat();
    let message = refused(vec![twice()], &sets);
    assert!(
        message.contains("mood, diary, eng_Latn is evaluated twice"),
        "{message}"
    );
}

#[test]
fn translate_test_needs_a_translator() {
    let message = refused(
        vec![Contender::new(&TRANSLATE_TEST, reader())],
        &sets()[1..],
    );
    assert!(
        message.contains("Translate-test: name a translation engine"),
        "{message}"
    );
}
