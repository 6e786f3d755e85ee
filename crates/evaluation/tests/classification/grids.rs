//! Classifiers of several seeds and methods in the tables of a grid.

use std::path::Path;

use corpus::language::Language;
use evaluation::classification::{Contender, ENCODER_ALONE, MT_LLM, TaskTest};
use evaluation::grid::{Cell, Entry, GridTable, Roles, tables};

use crate::{Reader, rows, run, test};

/// Four words in English, Dutch and German, under the same ids.
fn sets() -> Vec<TaskTest> {
    let set = |language: &str, words: [&str; 4]| {
        let rows = rows(&[(words[0], 1), (words[1], 1), (words[2], 0), (words[3], 0)]);
        test(
            "mood",
            Language::with_code(language),
            &["bad", "good"],
            rows,
        )
    };
    vec![
        set("nld_Latn", ["goed", "fijn", "slecht", "erg"]),
        set("eng_Latn", ["good", "fine", "bad", "awful"]),
        set("deu_Latn", ["gut", "fein", "schlecht", "arg"]),
    ]
}

/// Evaluates an encoder that finds one word in four and a stack that finds these words.
fn evaluated(folder: &Path, bad: &[&'static str]) {
    let stack: Vec<(&str, usize)> = bad.iter().map(|word| (*word, 1)).collect();
    let contenders = vec![
        Contender::new(&MT_LLM, Reader::new(&stack, "stack")),
        Contender::new(&ENCODER_ALONE, Reader::new(&[("bad", 1)], "encoder")),
    ];
    run(contenders, &sets(), folder).expect("evaluates");
}

fn entry(method: &str, folder: &Path) -> Entry {
    Entry {
        method: method.to_owned(),
        model: None,
        targets: Vec::new(),
        folder: folder.to_owned(),
    }
}

fn accuracies(entries: &[Entry], roles: &Roles) -> GridTable {
    let tables = tables(entries, roles);
    let measures: Vec<&str> = tables.iter().map(|table| table.measure.as_str()).collect();
    assert_eq!(measures, ["accuracy", "macro-F1"]);
    tables.into_iter().next().expect("a table")
}

fn cells(table: &GridTable, row: usize) -> Vec<&Cell> {
    let cells = table.blocks[0].rows[row].cells.iter();
    cells.map(|cell| cell.as_ref().expect("a score")).collect()
}

#[test]
fn systems_are_rows_and_languages_columns_over_seeds() {
    let folder = tempfile::tempdir().expect("a folder");
    let seeds = ["first", "second"].map(|name| folder.path().join(name));
    evaluated(&seeds[0], &["bad", "awful", "slecht", "schlecht"]);
    evaluated(
        &seeds[1],
        &["bad", "awful", "slecht", "erg", "schlecht", "arg"],
    );
    let entries = seeds.each_ref().map(|folder| entry("mt-llm", folder));
    let roles = Roles {
        methods: vec!["untrained".into(), "mt-llm".into()],
        ..Roles::default()
    };
    let table = accuracies(&entries, &roles);
    assert_eq!(table.title(), "Diary (mood), accuracy");
    // The language of training comes first and is no part of the average.
    assert_eq!(table.columns, ["ENG", "DEU", "NLD"]);
    assert_eq!(table.average.as_deref(), Some("Avg."));
    let [block] = &table.blocks[..] else {
        panic!("one block")
    };
    let methods: Vec<&str> = block.rows.iter().map(|row| row.method.as_str()).collect();
    assert_eq!(methods, ["MT-LLM", "Encoder alone"]);

    let stack = cells(&table, 0);
    let scores: Vec<f64> = stack.iter().map(|cell| cell.score).collect();
    assert_eq!(scores, [100.0, 87.5, 87.5, 87.5]);
    let average = stack[3];
    assert_eq!((average.seeds, stack[1].seeds), (2, 2));
    // 75 and 100.
    let deviation = average.deviation.expect("two seeds");
    assert!((deviation - 12.5 * 2f64.sqrt()).abs() < 1e-9, "{deviation}");
    let interval = average.confidence.expect("an interval");
    // `erg` and `arg` are missed together, by one of the seeds: drawn twice, they cost 25 points.
    assert!(
        interval.low <= 75.0 && interval.high == 100.0,
        "{interval:?}"
    );

    let encoder = cells(&table, 1);
    let scores: Vec<f64> = encoder.iter().map(|cell| cell.score).collect();
    assert_eq!(scores, [75.0, 50.0, 50.0, 50.0]);
    assert_eq!(encoder[3].deviation, Some(0.0));
    assert_eq!(stack[3].rank, Some(1));
    assert!(
        encoder
            .iter()
            .all(|cell| cell.p_value.is_none() && cell.better.is_none())
    );
    assert!(stack[1].p_value.is_some());
}

#[test]
fn the_first_system_stands_for_its_method_if_there_are_several() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = ["bad", "awful", "slecht", "erg", "schlecht", "arg"];
    let mut entries = Vec::new();
    for (method, bad) in [("whole", &all[..]), ("no stage 1", &all[..2])] {
        let folder = folder.path().join(method);
        evaluated(&folder, bad);
        entries.push(entry(method, &folder));
    }
    let roles = Roles {
        methods: vec!["no stage 1".into(), "whole".into()],
        ours: Some("whole".into()),
        baselines: vec!["no stage 1".into()],
        reference: None,
    };
    let table = accuracies(&entries, &roles);
    let rows = &table.blocks[0].rows;
    let methods: Vec<&str> = rows.iter().map(|row| row.method.as_str()).collect();
    let expected = [
        "no stage 1",
        "no stage 1, Encoder alone",
        "whole",
        "whole, Encoder alone",
    ];
    assert_eq!(methods, expected);
    let ours = cells(&table, 2);
    assert_eq!((ours[3].score, ours[3].seeds), (100.0, 1));
    assert!(
        ours[0].p_value.is_some(),
        "tested against the best of the others"
    );
}
