//! Sentence pairs: every file format, and broken pairs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use corpus::language::Language;
use corpus::source::{ParallelSource, SourceError, parallel};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use crate::Folder;

fn pairs(source: &ParallelSource) -> Result<Vec<(String, String)>, SourceError> {
    parallel(source, Language::ENGLISH, Language::PORTUGUESE, 0.1).map(|loaded| loaded.pairs)
}

#[test]
fn sentence_pairs_are_read_from_every_form() {
    let folder = Folder::new();
    let expected = vec![
        ("Hi.".to_owned(), "Oi.".to_owned()),
        ("Bye.".to_owned(), "Tchau.".to_owned()),
    ];
    let file = |name, content: &str| ParallelSource::File(folder.file(name, content).into());
    for source in [
        file("plain.tsv", "Hi.\tOi.\r\nBye.\tTchau.\tCC-BY\n"),
        file("header.tsv", "id\tpt\ten\n1\tOi.\tHi.\n2\tTchau.\tBye.\n"),
        file(
            "codes.jsonl",
            "{\"eng_Latn\": \"Hi.\", \"por\": \"Oi.\"}\n{\"en\": \"Bye.\", \"pt\": \"Tchau.\"}",
        ),
        file(
            "hub.jsonl",
            "{\"translation\": {\"en\": \"Hi.\", \"pt\": \"Oi.\"}}\n\
                           {\"translation\": {\"en\": \"Bye.\", \"pt\": \"Tchau.\"}}",
        ),
        file(
            "array.json",
            "[{\"en\": \"Hi.\", \"pt\": \"Oi.\"}, {\"en\": \"Bye.\", \"pt\": \"Tchau.\"}]",
        ),
        ParallelSource::Aligned {
            source: folder.file("text.en", "Hi.\nBye.\n").into(),
            target: folder.file("text.pt", "Oi.\nTchau.").into(),
        },
    ] {
        assert_eq!(pairs(&source).unwrap(), expected, "{source:?}");
    }
}

#[test]
fn broken_pairs_are_kept_aside() {
    let folder = Folder::new();
    let path = folder.file("x.tsv", b"Hi.\tOi.\nalone\n\t\xFF\n \t \nyes\t\n\n");
    let loaded = parallel(
        &ParallelSource::File(path.into()),
        Language::ENGLISH,
        Language::PORTUGUESE,
        0.9,
    )
    .unwrap();
    let rejected: Vec<_> = loaded
        .rejected
        .iter()
        .map(|r| (r.id.as_str(), r.reason.as_str()))
        .collect();
    assert_eq!(loaded.pairs.len(), 1);
    let expected = [
        ("x.tsv:2", "missing_column"),
        ("x.tsv:3", "not_utf8"),
        ("x.tsv:5", "empty_side"),
    ];
    assert_eq!(rejected, expected);

    let uneven = ParallelSource::Aligned {
        source: folder.file("text.en", "one\ntwo\n").into(),
        target: folder.file("text.pt", "um\n").into(),
    };
    let error = pairs(&uneven).unwrap_err().to_string();
    assert!(
        error.contains("has 2 lines") && error.contains("has 1: "),
        "{error}"
    );
    let none = ParallelSource::File(folder.file("none.tsv", "just text\n").into());
    assert!(
        pairs(&none)
            .unwrap_err()
            .to_string()
            .contains("none.tsv:1: no tab; columns 1 and 2 are needed")
    );
}

#[test]
fn the_config_names_a_file_or_two() {
    let one: ParallelSource = serde_json::from_value(json!("pairs.tsv")).unwrap();
    assert_eq!(one, ParallelSource::File("pairs.tsv".into()));
    let two: ParallelSource =
        serde_json::from_value(json!({ "source": "a.en", "target": "a.pt" })).unwrap();
    let expected = ParallelSource::Aligned {
        source: "a.en".into(),
        target: "a.pt".into(),
    };
    assert_eq!(two, expected);
}

#[test]
fn a_list_of_corpora_is_read_in_order_and_each_is_judged() {
    let folder = Folder::new();
    let good = folder.file("good.tsv", "one\tum\ntwo\tdois\n");
    let english = folder.file("more.en", "three\n");
    let portuguese = folder.file("more.pt", "três\n");
    let listed: ParallelSource = serde_json::from_value(json!([
        good,
        { "source": english, "target": portuguese },
    ]))
    .unwrap();
    let expected = [("one", "um"), ("two", "dois"), ("three", "três")];
    assert_eq!(
        pairs(&listed).unwrap(),
        expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    let files: Vec<_> = listed.files().collect();
    assert_eq!(files, [&*good, &*english, &*portuguese]);

    let bad = folder.file("bad.tsv", "just text\n");
    let listed: ParallelSource = serde_json::from_value(json!([good, bad])).unwrap();
    let error = pairs(&listed).unwrap_err().to_string();
    assert!(error.contains("bad.tsv:1"), "{error}");

    for wrong in [json!([]), json!([["a.tsv"]])] {
        let error = serde_json::from_value::<ParallelSource>(wrong).unwrap_err();
        assert!(error.to_string().contains("or a list of these"), "{error}");
    }
}

/// OPUS-100 as the Hugging Face Hub has it: `translation: struct<en, pt>`.
fn write_hub_pairs(path: &Path, pairs: &[(&str, &str)]) {
    let schema = "message schema {
        OPTIONAL INT64 score;
        OPTIONAL GROUP translation {
            OPTIONAL BYTE_ARRAY en (UTF8);
            OPTIONAL BYTE_ARRAY pt (UTF8);
        }
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut scores = group.next_column().unwrap().unwrap();
    let numbers = vec![1; pairs.len()];
    let levels = vec![1; pairs.len()];
    let typed = scores.typed::<Int64Type>();
    typed.write_batch(&numbers, Some(&levels), None).unwrap();
    scores.close().unwrap();
    for side in 0..2 {
        let text = |pair: &(&str, &str)| ByteArray::from(if side == 0 { pair.0 } else { pair.1 });
        let texts: Vec<ByteArray> = pairs.iter().map(text).collect();
        let mut column = group.next_column().unwrap().unwrap();
        let levels = vec![2; pairs.len()];
        let typed = column.typed::<ByteArrayType>();
        typed.write_batch(&texts, Some(&levels), None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

const PAIRS: [(&str, &str); 2] = [
    ("A \"red\" house.", "Uma casa \"vermelha\"."),
    ("One, two.", "Um, dois."),
];

#[test]
fn published_formats_are_read_as_they_are() {
    let folder = Folder::new();
    let parquet = folder.0.path().join("train-00000-of-00001.parquet");
    write_hub_pairs(&parquet, &PAIRS);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    let plain = "A \"red\" house.\tUma casa \"vermelha\".\nOne, two.\tUm, dois.\n";
    packed.write_all(plain.as_bytes()).unwrap();
    let tmx = "<?xml version=\"1.0\"?>\n<!DOCTYPE tmx SYSTEM \"tmx14.dtd\">\n<tmx version=\"1.4\"><header/><body>
        <tu><tuv xml:lang=\"EN-US\"><seg>A <hi>&quot;red&#34;</hi> house<ph>{1}</ph>.</seg></tuv>
        <tuv xml:lang=\"pt-BR\"><seg>Uma casa \"vermelha\".</seg></tuv></tu>
        <tu><tuv xml:lang=\"pt\"><seg>Um, dois.</seg></tuv><tuv lang=\"en\"><seg><![CDATA[One, two.]]></seg></tuv></tu>
        </body></tmx>";
    let quoted = "\"A \"\"red\"\" house.\",\"Uma casa \"\"vermelha\"\".\"\r\n\"One, two.\",\"Um, dois.\"\r\n";
    let files = [
        parquet,
        folder.file("pairs.tsv.gz", packed.finish().unwrap()),
        folder.file("memory.tmx", tmx),
        folder.file("pairs.csv", quoted),
        folder.file("named.csv", format!("tgt,src\n{}", swapped(quoted))),
        folder.file("excel.tsv", quoted.replace("\",\"", "\"\t\"").replace("\"One, two.\"", "One, two.").replace("\"Um, dois.\"", "Um, dois.")),
        folder.file("header.tsv", format!("source\ttarget\n{plain}")),
        folder.file("tatoeba.tsv", "1276\tA \"red\" house.\t380381\tUma casa \"vermelha\".\n1277\tOne, two.\t380382\tUm, dois.\n"),
        folder.file("keys.jsonl", "{\"source\": \"A \\\"red\\\" house.\", \"target\": \"Uma casa \\\"vermelha\\\".\"}\n{\"source\": \"One, two.\", \"target\": \"Um, dois.\"}\n"),
    ];
    let expected = PAIRS.map(|(source, target)| (source.to_owned(), target.to_owned()));
    for file in files {
        let found = pairs(&ParallelSource::File(file.clone().into()));
        assert_eq!(
            found.unwrap_or_else(|e| panic!("{e}")),
            expected,
            "{}",
            file.display()
        );
    }
}

/// The two quoted columns of a CSV file in the other order.
fn swapped(csv: &str) -> String {
    let rows = csv.lines().map(|line| {
        let (first, second) = line.split_once("\",\"").unwrap();
        format!("\"{second},{first}\"\n")
    });
    rows.collect()
}

#[test]
fn columns_are_named_in_the_config() {
    let folder = Folder::new();
    let source = |file: PathBuf, columns: serde_json::Value| -> ParallelSource {
        serde_json::from_value(json!({ "path": file, "columns": columns })).unwrap()
    };
    let expected = [("Hi.".to_owned(), "Oi.".to_owned())];
    let numbered = folder.file("a.tsv", "x\tOi.\ty\tHi.\n");
    assert_eq!(pairs(&source(numbered, json!([4, 2]))).unwrap(), expected);
    let named = folder.file("b.tsv", "frase\tsentence\nOi.\tHi.\n");
    assert_eq!(
        pairs(&source(named.clone(), json!(["sentence", "frase"]))).unwrap(),
        expected
    );
    let object = folder.file("c.jsonl", "{\"q\": \"Hi.\", \"r\": \"Oi.\"}\n");
    assert_eq!(pairs(&source(object, json!(["q", "r"]))).unwrap(), expected);
    let error = pairs(&source(named, json!(["text", "frase"])))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("it has frase, sentence") && error.contains("columns ="),
        "{error}"
    );
    for (wrong, told) in [
        (json!({ "path": "x", "columns": [1] }), "array of length 2"),
        (json!({ "path": "x" }), "columns = [SOURCE, TARGET]"),
        (
            json!({ "path": "~/x", "columns": [1, 2] }),
            "write the whole path",
        ),
        (json!(["~/x"]), "write the whole path"),
        (json!({ "sauce": "x" }), "unknown field `sauce`"),
        (json!(1), "columns = [SOURCE, TARGET]"),
    ] {
        let error = serde_json::from_value::<ParallelSource>(wrong).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn what_is_no_sentence_or_wrongly_encoded_is_set_aside_or_stops() {
    let folder = Folder::new();
    let lines = "1\tum\nma\u{c3}\u{a7}\u{c3}\u{a3}s verdes\tb\na\u{0}b\tc\n".to_owned();
    let path = folder.file("x.tsv", lines + &"Hi.\tOi.\n".repeat(40));
    let source = ParallelSource::File(path.into());
    let loaded = parallel(&source, Language::ENGLISH, Language::PORTUGUESE, 0.1).unwrap();
    let reasons: Vec<&str> = loaded
        .rejected
        .iter()
        .map(|row| row.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        ["no_letters", "wrong_encoding", "control_character"]
    );
    assert!(
        loaded.rejected[1].detail.contains("\"\u{e7}\""),
        "{}",
        loaded.rejected[1].detail
    );
    let error = parallel(&source, Language::ENGLISH, Language::PORTUGUESE, 0.05).unwrap_err();
    assert!(
        error.to_string().contains("3 of 43 rows cannot be used"),
        "{error}"
    );

    let wide: Vec<u8> = "Hi there.\tOi gente.\n"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let marked = [&[0xFE, 0xFF], &wide[..]].concat();
    for (bytes, name) in [(wide, "UTF-16BE"), (marked, "UTF-16")] {
        let error = pairs(&ParallelSource::File(folder.file("w.tsv", bytes).into())).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("iconv -f {name} -t UTF-8")),
            "{error}"
        );
    }
    let error = pairs(&ParallelSource::File(
        folder.file("x.tmx", "<tmx>\n<tu><tuv").into(),
    ));
    assert!(error.unwrap_err().to_string().contains("x.tmx:2: "));
    let error = pairs(&ParallelSource::File(folder.file("x.tsv.xz", "").into()));
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("compress it with gzip")
    );
}
