//! What does not go together is refused, and says why.

use corpus::labelled::LabelledInput;
use corpus::progress::Silent;

use crate::classify;
use crate::distil::{Teacher, config, distil};
use crate::fixture::{library, llm, stack_on};

#[test]
fn states_of_other_rows_or_another_teacher_are_refused() {
    let teacher = Teacher::trained();
    let folder = tempfile::tempdir().unwrap();
    let data = library();
    teacher
        .states(folder.path(), "library", &data, &Silent)
        .unwrap();
    let mut other = data.clone();
    other.train.rows[3].input = LabelledInput::Single {
        text: "Another sentence.".into(),
    };
    let error = teacher
        .states(folder.path(), "library", &other, &Silent)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("the library training rows changed"),
        "{error}"
    );

    let mut changed = teacher;
    changed.revision = "another".to_owned();
    let error = changed
        .states(folder.path(), "library", &data, &Silent)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("the teacher changed"), "{error}");
}

#[test]
fn a_teacher_of_other_labels_or_another_width_is_refused() {
    let teacher = Teacher::trained();
    let folder = tempfile::tempdir().unwrap();
    let mut data = library();
    data.labels = vec!["library".into(), "other".into()];
    let error = teacher
        .states(folder.path(), "library", &data, &Silent)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("trained on the labels other, library"),
        "{error}"
    );
    let error = teacher
        .states(folder.path(), "sentiment", &library(), &Silent)
        .err()
        .unwrap();
    assert!(error.to_string().contains("no task `sentiment`"), "{error}");

    let start = stack_on("gpt2", 512);
    let error = distil(&teacher, start, folder.path(), &config(), &Silent)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("states of 32 values and the stack's LLM of 18"),
        "{error}"
    );
}

#[test]
fn a_run_of_other_rows_or_settings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = classify::config();
    classify::train(llm(512), folder.path(), &config, &Silent).unwrap();
    config.training.learning_rate = 2e-2;
    let error = classify::train(llm(512), folder.path(), &config, &Silent).unwrap_err();
    assert!(
        error.to_string().contains("trained with other settings"),
        "{error}"
    );
    config.training.learning_rate = 0.0;
    let error = classify::train(llm(512), folder.path(), &config, &Silent).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("classify.training.learning_rate"),
        "{error}"
    );
}
