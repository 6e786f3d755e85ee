//! Data sets of questions, pairs, labelled rows and plain text: JSON, JSONL, TSV, CSV, TMX, lines.

use std::fs;
use std::path::{Path, PathBuf};

use corpus::file_path::FilePath;
use corpus::labelled::{DataSet, Wanted};
use corpus::language::Language;
use corpus::source::plain_text::{TextOptions, TextSource, documents};
use corpus::source::{LoadOptions, ParallelSource, load, parallel};

use crate::runner::{Files, Reader, any, written};
use crate::{json, text};

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;

/// Rows as different exporters write them.
const ROWS: [&str; 8] = [
    r#"{"instruction": "say é", "input": "", "output": "\u00e9 \ud83d\ude00"}"#,
    r#"{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}"#,
    r#"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}"#,
    r#"{"prompt": "q", "response": "a", "score": NaN}"#,
    r#"{"instruction": "q", "context": "c", "response": "a", "category": "open_qa"}"#,
    r#"{"id": "1", "question": "q", "answer": "a", "n": [1.5e300, -0, null, {"a": []}]}"#,
    r#"{"translation": {"en": "A.", "pt": "\u0043.", "n": NaN}}"#,
    r#"{"text": "A document.\nIt has two lines.", "meta": {"url": "x"}}"#,
];

/// The only file of the folder.
fn only(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).expect("a folder");
    entries.next().expect("a file").expect("an entry").path()
}

/// Reads the file as whatever it could be; whether it is something.
pub fn read_data(folder: &Path) -> bool {
    let mut accepted = false;
    let path = only(folder);
    let options = LoadOptions {
        max_rejected_fraction: 1.0,
        ..LoadOptions::default()
    };
    if let Ok(loaded) = load(&path, &options) {
        accepted = true;
        assert!(
            loaded
                .instructions
                .iter()
                .all(|row| !row.question.trim().is_empty())
        );
    }
    let source = ParallelSource::File(path.clone().into());
    if let Ok(loaded) = parallel(&source, ENGLISH, PORTUGUESE, 1.0) {
        assert!(!loaded.pairs.is_empty());
        accepted = true;
    }
    let options = TextOptions {
        max_rejected_fraction: 1.0,
        ..TextOptions::default()
    };
    if let Ok(stream) = documents(&[TextSource::Files(FilePath::from(path))], &options) {
        for document in stream.take(10_000) {
            accepted |= document.is_ok();
        }
    }
    accepted
}

#[test]
fn jsonl() {
    let lines = |rows: &[&str]| written(&[("x.jsonl", &(rows.join("\n") + "\n"))]);
    let mut seeds: Vec<Files> = ROWS.iter().map(|row| lines(&[row, row, row])).collect();
    seeds.push(lines(&ROWS));
    Reader {
        name: "jsonl",
        seeds,
        inputs: 600,
        memory: 64 << 20,
        change: &|chance, files, other| {
            let (_, content) = any(chance, files);
            if chance.once_in(2) {
                return text::change(
                    chance,
                    content,
                    &[
                        "{",
                        "}",
                        "[",
                        "]",
                        ",",
                        ":",
                        "\"",
                        "NaN",
                        "\\ud800",
                        "\\u0000",
                        "-Infinity",
                    ],
                );
            }
            let mut lines: Vec<Vec<u8>> = content
                .split(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
            let number = chance.below(lines.len());
            json::change(chance, &mut lines[number]);
            lines.push(other.values().next().expect("a file").clone());
            *content = lines.join(&b'\n');
        },
        read: &read_data,
    }
    .fuzz();
}

#[test]
fn json_arrays() {
    let array = |rows: &[&str]| written(&[("x.json", &format!("[{}]", rows.join(",\n")))]);
    let mut seeds: Vec<Files> = ROWS.iter().map(|row| array(&[row, row])).collect();
    seeds.push(array(&ROWS));
    seeds.push(written(&[(
        "x.json",
        "{\"data\": [{\"question\": \"q\", \"answer\": \"a\"}]}",
    )]));
    Reader {
        name: "json",
        seeds,
        inputs: 600,
        memory: 64 << 20,
        change: &|chance, files, _| {
            let (_, content) = any(chance, files);
            json::change(chance, content);
        },
        read: &read_data,
    }
    .fuzz();
}

#[test]
fn tables() {
    let seeds = vec![
        written(&[("x.tsv", "en\tpt\n\"A \"\"b\"\".\"\tC.\r\nD.\tE.\n")]),
        written(&[("x.tsv", "1\tA.\t2\tC.\n3\tD.\t4\tE.\n")]),
        written(&[("x.csv", "en,pt\n\"A, \"\"b\"\".\",C.\r\n\"D\n.\",E.\n")]),
        written(&[(
            "x.csv",
            "instruction,input,output\nq,,a\n\"q\n2\",\"i\",\"a\"\n",
        )]),
        written(&[("x.txt", "One.\r\n\n  Two. \nThree.")]),
        written(&[(
            "x.tmx",
            "<?xml version=\"1.0\"?><tmx version=\"1.4\"><header srclang=\"en\"/><body><tu><tuv xml:lang=\"en\"><seg>A&#66;<ph>x</ph> &amp; b.</seg></tuv>\n<tuv xml:lang='pt-BR'><seg><![CDATA[C.]]></seg></tuv></tu></body></tmx>",
        )]),
    ];
    let pieces = [
        "\t",
        ",",
        ";",
        "\"",
        "\"\"",
        "\n\"",
        "<seg>",
        "</seg>",
        "<tu>",
        "</tu>",
        "<tuv xml:lang=\"en\">",
        "&#x110000;",
        "&lol;",
        "<!DOCTYPE x [<!ENTITY lol \"lol\">]>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "xml:lang='pt'",
        "<?",
        "&amp;",
    ];
    Reader {
        name: "tables",
        seeds,
        inputs: 900,
        memory: 64 << 20,
        change: &|chance, files, _| {
            let (_, content) = any(chance, files);
            text::change(chance, content, &pieces);
        },
        read: &read_data,
    }
    .fuzz();
}

#[test]
fn labelled() {
    let seeds = vec![
        written(&[(
            "xnli",
            "language\tgold_label\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\tsentence2\tpromptID\tpairID\ngenre\tlabel1\n",
        )]),
        written(&[(
            "xnli",
            "language\tgold_label\tsentence1\tsentence2\nde\tneutral\tEin Haus.\tEin \"Baum.\nde\tentailment\tA\tB\n",
        )]),
        written(&[(
            "kardes_nlu",
            "\u{feff}gold_label,sentence1,sentence2,s1_translation,s2_translation\r\nneutral,\"A, b\",C,D,E\r\n",
        )]),
        written(&[(
            "nusax",
            "id,text,label\n1,\"Bagus, sekali\",positive\n2,x,negative\n",
        )]),
        written(&[("sst2", "sentence\tlabel\nfine \t1\nbad \t0\n")]),
        written(&[(
            "belebele",
            "{\"flores_passage\": \"P.\", \"question\": \"Q?\", \"mc_answer1\": \"a\", \"mc_answer2\": \"b\", \"mc_answer3\": \"c\", \"mc_answer4\": \"d\", \"correct_answer_num\": \"2\", \"link\": \"l\", \"question_number\": 1, \"dialect\": \"por_Latn\"}\n",
        )]),
    ];
    Reader {
        name: "labelled",
        seeds,
        inputs: 600,
        memory: 64 << 20,
        change: &|chance, files, _| {
            let (name, content) = any(chance, files);
            match name == "belebele" && chance.once_in(2) {
                true => json::change(chance, content),
                false => text::change(
                    chance,
                    content,
                    &["\t", ",", "\"", "\r\n", "neutral", "1", "{", "}"],
                ),
            }
        },
        read: &|folder| {
            let path = only(folder);
            // A set says by its name how it is read; the file is named by what it holds.
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let content = fs::read(&path).expect("a file");
            let ends = if name == "belebele" {
                "jsonl"
            } else if name == "nusax" || name == "kardes_nlu" {
                "csv"
            } else {
                "tsv"
            };
            let file = folder.join(format!("x.{ends}"));
            fs::write(&file, content).expect("writable");
            let set = DataSet::named(&name).expect("a data set");
            let Ok(read) = set.read(&file, Wanted::default()) else {
                return false;
            };
            assert!(read.rows.iter().all(|row| row.label < read.labels.len()));
            true
        },
    }
    .fuzz();
}
