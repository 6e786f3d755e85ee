//! Rows whose label the task does not have.

use std::path::PathBuf;

use corpus::labelled::TaskConfig;
use serde_json::json;

#[test]
fn labels_that_the_task_does_not_have_are_counted_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, labels: &[&str]| {
        let rows = labels.iter().enumerate();
        let rows = rows.map(|(at, label)| format!("text {at}\t{label}\n"));
        let path = folder.path().join(name);
        let text = "text\tlabel\n".to_owned() + &rows.collect::<String>();
        std::fs::write(&path, text).unwrap();
        path
    };
    let train = file("train.tsv", &["Food ", "travel", "Food ", "travel"]);
    let load = |labels: &[&str], test: &PathBuf| {
        let (labels, test) = (labels.to_vec(), json!({"eng_Latn": test}));
        let config =
            json!({"train": [train], "validation_fraction": 0.0, "labels": labels, "test": test});
        let task: TaskConfig = serde_json::from_value(config).unwrap();
        task.load(0)
    };
    let cased = file("cased.tsv", &["food", "travel", "food", "money"]);
    let loaded = load(&[], &cased).unwrap();
    // White space around a label is no part of it.
    assert_eq!(loaded.labels, ["Food", "travel"]);
    let others: Vec<_> = loaded.tests[0].set.other_labels().into_iter().collect();
    assert_eq!(others, [("food", 2), ("money", 1)]);
    let numbers = file("numbers.tsv", &["0", "1", "1", ""]);
    let error = load(&[], &numbers).unwrap_err().to_string();
    let expected = "numbers.tsv: none of its labels (0, 1) is one of the task's: Food, travel; if they \
        are the same ones as numbers or in other case, name those of the task in the order of their \
        numbers: labels = [\"Food\", \"travel\"]";
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&error).ends_with(&words(expected)), "{error}");
    // What the message asks for helps.
    let labels = |test| {
        let loaded = load(&["Food", "travel"], test).unwrap();
        let rows = loaded.tests[0].set.rows.iter();
        rows.map(|row| row.label).collect::<Vec<_>>()
    };
    assert_eq!(labels(&numbers), [0, 1, 1]);
    assert_eq!(labels(&file("lower.tsv", &["food", "travel"])), [0, 1]);
    // Of a column that holds no labels, not every value is listed.
    let values: Vec<String> = (0..40).map(|value| format!("{value}.5")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let error = load(&[], &file("values.tsv", &values))
        .unwrap_err()
        .to_string();
    assert!(error.contains(", … 40 in all)"), "{error}");
}
