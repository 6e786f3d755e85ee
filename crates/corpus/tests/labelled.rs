//! Labelled data in its published formats, and what becomes of rows that cannot be used.

use std::path::PathBuf;

use corpus::labelled::{DataSet, LabelledInput, LabelledSet, TaskConfig, Wanted};
use serde_json::json;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn read(&self, set: &str, name: &str, content: impl AsRef<[u8]>) -> LabelledSet {
        read(set, &self.file(name, content), None).unwrap()
    }
}

fn read(
    set: &str,
    path: &std::path::Path,
    language: Option<&str>,
) -> Result<LabelledSet, corpus::labelled::LabelledError> {
    let set = DataSet::named(set)?;
    let language = language.map(|name| set.language(name)).transpose()?;
    let wanted = Wanted {
        language: language.as_ref(),
        ..Wanted::default()
    };
    set.read(path, wanted)
}

/// Id, texts and label of every row.
fn rows(set: &LabelledSet) -> Vec<(&str, Vec<&str>, &str)> {
    let rows = set.rows.iter();
    rows.map(|row| {
        (
            row.id.as_str(),
            row.input.texts(),
            set.labels[row.label].as_str(),
        )
    })
    .collect()
}

fn task(config: serde_json::Value) -> TaskConfig {
    serde_json::from_value(config).unwrap()
}

fn pair<'a>(id: &'a str, texts: [&'a str; 2], label: &'a str) -> (&'a str, Vec<&'a str>, &'a str) {
    (id, texts.to_vec(), label)
}

#[test]
fn xnli_is_read_from_the_file_of_all_languages_and_from_files_of_one() {
    let folder = Folder::new();
    let official = "language\tgold_label\tsentence1_binary_parse\tsentence2_binary_parse\t\
        sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tpromptID\tpairID\n\
        de\tneutral\t\t\t\t\tEin \"Satz.\tNoch einer.\t1\t7\n\
        zh\tcontradiction\t\t\t\t\t一\t二\t1\t7\n";
    let path = folder.file("xnli.test.tsv", official);
    let german = read("xnli", &path, Some("deu_Latn")).unwrap();
    assert_eq!(
        rows(&german),
        [pair("7", ["Ein \"Satz.", "Noch einer."], "neutral")]
    );
    assert_eq!(german.rows[0].label, 1, "the field's order");
    assert!(german.rejected.is_empty(), "other languages are no fault");
    let chinese = read("xnli", &path, Some("zh")).unwrap();
    assert_eq!(rows(&chinese), [pair("7", ["一", "二"], "contradiction")]);
    let error = read("xnli", &path, Some("fr")).unwrap_err().to_string();
    assert!(error.contains("no rows in French (fra_Latn)"), "{error}");
    assert!(error.contains("de, zh"), "{error}");

    let bare = folder.read("xnli", "dev-de.tsv", "A\tB\tentailment\nC\tD\t2\r\n");
    let expected = [
        pair("0", ["A", "B"], "entailment"),
        pair("1", ["C", "D"], "contradiction"),
    ];
    assert_eq!(rows(&bare), expected);
}

#[test]
fn labels_come_from_a_file_of_their_own() {
    let folder = Folder::new();
    let path = folder.file("test-de.tsv", "A\tB\nC\tD\nE\tF\n");
    let error = read("xnli", &path, None).unwrap_err().to_string();
    assert!(
        error.contains("no row has a label in the column \"label\""),
        "{error}"
    );

    let labelled = |content: &str| {
        let labels = folder.file("labels.tsv", content);
        let wanted = Wanted {
            label_file: Some(&labels),
            ..Wanted::default()
        };
        DataSet::named("xnli").unwrap().read(&path, wanted)
    };
    let some = labelled("row\tlabel\n2\tneutral\n0\tentailment\n").unwrap();
    let expected = [
        pair("0", ["A", "B"], "entailment"),
        pair("2", ["E", "F"], "neutral"),
    ];
    assert_eq!(rows(&some), expected);
    assert_eq!(some.reasons()["no_label"], 1);
    assert_eq!(some.rejected[0].line, 2);
    let all = labelled("neutral\nneutral\nentailment\n").unwrap();
    assert_eq!(all.label_counts(), [1, 2, 0]);

    for (content, fault) in [
        ("neutral\nneutral\n", "labels.tsv:2: 2 labels for 3 rows"),
        (
            "row\tlabel\n3\tneutral\n",
            "labels.tsv:2: not a row number below 3",
        ),
        (
            "0\tneutral\n0\tneutral\n",
            "labels.tsv:2: row 0 already has a label",
        ),
    ] {
        let error = labelled(content).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
}

#[test]
fn kardes_nlu_has_a_byte_order_mark_and_two_sides() {
    let folder = Folder::new();
    let csv = "\u{FEFF}gold_label,sentence1,sentence2,s1_translation,s2_translation\r\n\
        entailment,\"He said, \"\"yes\"\".\",He agreed.,\"O, \"\"bəli\"\" dedi.\",O razılaşdı.\r\n";
    let path = folder.file("az.csv", csv);
    let read = |language| read("kardes_nlu", &path, Some(language)).unwrap();
    assert_eq!(
        rows(&read("az")),
        [pair(
            "0",
            ["O, \"bəli\" dedi.", "O razılaşdı."],
            "entailment"
        )]
    );
    assert_eq!(
        rows(&read("eng_Latn")),
        [pair("0", ["He said, \"yes\".", "He agreed."], "entailment")]
    );
}

#[test]
fn americas_nli_is_read_by_language() {
    let folder = Folder::new();
    let tsv = "language\tpremise\thypothesis\tlabel\naym\tA\tB\tneutral\nbzd\tC\tD\tentailment\n";
    let path = folder.file("test.tsv", tsv);
    let read = |language| read("americas_nli", &path, Some(language)).unwrap();
    assert_eq!(rows(&read("ayr_Latn")), [pair("0", ["A", "B"], "neutral")]);
    assert_eq!(rows(&read("bzd")), [pair("1", ["C", "D"], "entailment")]);
    let numbered = folder.read("americas_nli", "gn.tsv", "5\tgn\tA\tB\tneutral\n");
    assert_eq!(numbered.rows.len(), 1);
}

#[test]
fn belebele_is_read_as_published_and_as_assembled_for_training() {
    let folder = Folder::new();
    let row = |number: u32, dialect: &str, answer: &str| {
        json!({"link": "L", "question_number": number, "flores_passage": "P", "question": "Q?",
            "mc_answer1": "a", "mc_answer2": "b", "mc_answer3": "c", "mc_answer4": "d",
            "correct_answer_num": answer, "dialect": dialect})
    };
    let jsonl = format!("{}\n{}\n", row(1, "deu_Latn", "4"), row(2, "eng_Latn", "1"));
    let path = folder.file("deu_Latn.jsonl", jsonl);
    let german = read("belebele", &path, Some("German")).unwrap();
    assert_eq!(german.labels, ["1", "2", "3", "4"]);
    assert_eq!(
        rows(&german),
        [("L#1", vec!["P", "Q?", "a", "b", "c", "d"], "4")]
    );

    let tsv = "passage\tquestion\tanswer1\tanswer2\tanswer3\tanswer4\tcorrect_answer_num\n\
        \"A \"\"quoted\"\"\npassage\"\tQ?\tx\ty\t\tz\t2\n";
    let training = folder.read("belebele", "train.tsv", tsv);
    let input = &training.rows[0].input;
    assert!(
        matches!(input, LabelledInput::Choices { passage, .. } if passage == "A \"quoted\"\npassage")
    );
    assert_eq!(training.rows[0].label, 1);
}

#[test]
fn sst2_and_nusax_share_labels_by_name() {
    let folder = Folder::new();
    let train = folder.file(
        "train.tsv",
        "sentence\tlabel\nfine film \t1\ndull \t0\ngood\t1\n",
    );
    let test = folder.file(
        "ban.csv",
        "id,text,label\n9,Becik,positive\n8,Biasa,neutral\n9,Jelek,negative\n",
    );
    let config = task(
        json!({"data": "sst2", "train": [train], "test_data": "nusax",
        "test": {"ban": test.clone(), "mad": test}, "validation_fraction": 0.0}),
    );
    let loaded = config.load(1).unwrap();
    assert_eq!(loaded.labels, ["negative", "positive"]);
    assert_eq!(
        rows(&loaded.train)[0],
        ("0", vec!["fine film "], "positive")
    );
    let [balinese, madurese] = &loaded.tests[..] else {
        panic!("two languages")
    };
    assert_eq!(
        rows(&balinese.set),
        [
            ("9", vec!["Becik"], "positive"),
            ("9-2", vec!["Jelek"], "negative")
        ]
    );
    assert_eq!(balinese.set.reasons()["other_label"], 1);
    assert_eq!(balinese.language.code, "ban_Latn");
    let language = &madurese.language;
    assert_eq!(
        (language.code.as_str(), language.name.as_str()),
        ("mad", "Madurese")
    );
    assert_eq!(language.source.unwrap().code(), "ind_Latn");
    assert!(language.is_proxy);
}

#[test]
fn faulty_rows_are_set_aside_with_line_and_reason() {
    let folder = Folder::new();
    let mut tsv = b"sentence\tlabel\n".to_vec();
    for index in 0..40 {
        tsv.extend(format!("good number {index}\t1\n").bytes());
    }
    tsv.extend(b"one column\n \t1\nmaybe\t2\n\xff\t1\n");
    let set = folder.read("sst2", "train.tsv", tsv);
    let found: Vec<(u64, &str)> = set
        .rejected
        .iter()
        .map(|row| (row.line, row.rejected.reason.as_str()))
        .collect();
    let expected = [
        (42, "wrong_columns"),
        (43, "empty_text"),
        (44, "unknown_label"),
        (45, "not_utf8"),
    ];
    assert_eq!(found, expected);
    assert_eq!(set.rejected[2].rejected.id, "train.tsv:44");
    assert!(
        set.rejected[2]
            .rejected
            .detail
            .contains("not one of negative, positive")
    );

    let path = folder.file("bad.tsv", "sentence\tlabel\na\t1\nb\t7\n");
    let error = read("sst2", &path, None).unwrap_err().to_string();
    assert!(
        error.contains("1 of 2 rows cannot be used (unknown_label 1)"),
        "{error}"
    );
    assert!(error.contains("bad.tsv:3: \"7\""), "{error}");
    let path = folder.file("other.tsv", "text\tgold\tnote\na\t1\t\n");
    let error = read("sst2", &path, None).unwrap_err().to_string();
    assert!(
        error.contains("(text, gold, note) has no known column names"),
        "{error}"
    );
}

#[test]
fn data_of_ones_own_is_read_by_its_columns() {
    let folder = Folder::new();
    let file = folder.file(
        "own.jsonl",
        "{\"q\":\"Where?\",\"intent\":\"route\"}\n{\"q\":\"Play!\",\"intent\":\"music\"}\n",
    );
    let config = |columns| {
        task(
            json!({"columns": columns, "train": [file.clone(), file.clone()], "validation_fraction": 0.0}),
        )
    };
    let loaded = config(json!({"text": "q", "label": "intent"}))
        .load(0)
        .unwrap();
    assert_eq!(loaded.labels, ["music", "route"]);
    assert_eq!(loaded.train.label_counts(), [2, 2]);
    assert_eq!(loaded.train.rows[2].id, "1/own.jsonl#0");
    let error = config(json!({"text": "question", "label": "intent"}))
        .load(0)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no column question; it has intent, q"),
        "{error}"
    );
    let error = config(json!({"text": "q", "label": "gold"}))
        .load(0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("in the column \"gold\""), "{error}");
}

#[test]
fn rows_with_the_same_premise_stay_on_one_side_of_the_split() {
    let folder = Folder::new();
    let mut tsv = String::from("premise\thypothesis\tlabel\n");
    for index in 0..300 {
        tsv += &format!("premise {}\thypothesis {index}\t{}\n", index / 3, index % 3);
    }
    let file = folder.file("snli.tsv", tsv);
    let config = task(json!({"data": "snli", "train": [file], "validation_fraction": 0.2}));
    let loaded = config.load(3).unwrap();
    assert_eq!(loaded, config.load(3).unwrap());
    assert_ne!(loaded, config.load(4).unwrap());
    let (train, held_out) = (loaded.train.rows.len(), loaded.validation.rows.len());
    assert_eq!((train + held_out, held_out % 3), (300, 0));
    assert!((30..90).contains(&held_out), "{held_out}");
}

#[test]
fn contradictory_keys_are_refused() {
    let fault = |config: serde_json::Value| task(config).check().unwrap_err().to_string();
    for (config, expected) in [
        (
            json!({"data": "nusaks", "train": ["a"]}),
            "did you mean \"nusax\"?",
        ),
        (json!({"data": "sst2"}), "no training file"),
        (
            json!({"data": "sst2", "train": ["a"], "columns": {"text": "t"}}),
            "remove `data` or `columns`",
        ),
        (
            json!({"data": "sst2", "labels": ["negative", "neutral"], "train": ["a"]}),
            "\"neutral\" is no label of sst2",
        ),
        (
            json!({"data": "nusax", "test_data": "belebele", "train": ["a"]}),
            "different kinds",
        ),
        (
            json!({"data": "nusax", "train": ["a"], "test": {"xyz": "a"}}),
            "also has mad, nij, bbc",
        ),
        (
            json!({"data": "nusax", "train": ["a"], "test": {"German": "a", "deu_Latn": "b"}}),
            "test.German and test.deu_Latn are the same language",
        ),
        (
            json!({"data": "nusax", "train": ["a"], "test_limit": 0}),
            "`test_limit` is at least 1",
        ),
    ] {
        let error = fault(config);
        assert!(error.contains(expected), "{error}");
    }
}

/// On the published files.
mod with_data {
    use super::*;

    #[test]
    #[ignore = "needs public data sets"]
    fn published_files_are_read_whole() {
        let count = |set, path: &str| {
            let read = read(set, &fixtures::data(path), None).unwrap();
            assert!(read.rejected.is_empty(), "{path}: {:?}", read.reasons());
            read.rows.len()
        };
        assert_eq!(count("xnli", "xnli/dev-th.tsv"), 2490);
        assert_eq!(count("snli", "snli/dev.tsv"), 9842);
        assert_eq!(count("sst2", "sst2/train.tsv"), 67_349);
        assert_eq!(count("sst2", "sst2/test.tsv"), 1821);
        assert_eq!(
            count("nusax", "nusax/datasets/sentiment/toba_batak/train.csv"),
            500
        );
        assert_eq!(count("belebele", "belebele/deu_Latn.jsonl"), 900);
        let labels = fixtures::data("xnli/test_labels_subset.tsv");
        let wanted = Wanted {
            label_file: Some(&labels),
            ..Wanted::default()
        };
        let test = fixtures::data("xnli/test-bg.tsv");
        let test = DataSet::named("xnli").unwrap().read(&test, wanted).unwrap();
        assert_eq!((test.rows.len(), test.rejected.len()), (2001, 3009));
    }
}
