//! Arbitrary bytes and damaged data sets: rows or an error, never a panic.

use corpus::language::Language;
use corpus::source::{LoadOptions, ParallelSource, load, parallel};
use proptest::prelude::*;

use crate::Folder;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_a_file_holds_every_row_is_used_or_kept_aside(
        lines in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                Just(br#"{"question": "q", "answer": "a"}"#.to_vec()),
                Just(br#"{"messages": [{"role": "user", "content": "q"}, {"role": 1}]}"#.to_vec()),
                Just(br#"{"question": ["#.to_vec()),
            ],
            0..12,
        ),
    ) {
        let folder = Folder::new();
        let content = lines.join(&b'\n');
        let rows = content.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        let options = LoadOptions { max_rejected_fraction: 1.0, ..LoadOptions::default() };
        for name in ["x.jsonl", "x.json", "x.parquet"] {
            if let Ok(loaded) = load(&folder.file(name, &content), &options) {
                prop_assert_eq!(loaded.instructions.len() + loaded.rejected.len(), rows);
            }
        }
        let pairs = ParallelSource::File(folder.file("x.tsv", &content).into());
        let _ = parallel(&pairs, Language::ENGLISH, Language::PORTUGUESE, 1.0);
    }

    /// Damaged data sets of every layout: rows or an error, never a panic.
    #[test]
    fn damaged_data_sets_are_read_or_refused(
        layout in 0usize..3,
        damage in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 1..6),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let row = [
            r#"{"instruction": "say é", "input": "", "output": "\u00e9 \ud83d\ude00"}"#,
            r#"{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}"#,
            r#"{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}"#,
        ][layout];
        let folder = Folder::new();
        for (name, content) in [
            ("x.json", format!("[{row},\n{row},\n{row}]")),
            ("x.jsonl", format!("{row}\n{row}\n{row}\n")),
        ] {
            let mut bytes = content.into_bytes();
            for (place, byte) in &damage {
                let at = (place * bytes.len() as f64) as usize;
                bytes[at] = *byte;
            }
            bytes.truncate((length * bytes.len() as f64) as usize);
            let options = LoadOptions { max_rejected_fraction: 1.0, ..LoadOptions::default() };
            if let Ok(loaded) = load(&folder.file(name, &bytes), &options) {
                prop_assert!(loaded.instructions.len() <= 6);
            }
        }
    }

    /// Damaged corpora of sentence pairs: pairs, broken rows or an error, never a panic.
    #[test]
    fn damaged_pairs_are_read_or_refused(
        damage in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 1..6),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let folder = Folder::new();
        for (name, content) in [
            ("x.tsv", "en\tpt\n\"A \"\"b\"\".\"\tC.\r\nD.\tE.\n"),
            ("x.csv", "en,pt\n\"A, \"\"b\"\".\",C.\r\n\"D\n.\",E.\n"),
            ("x.tmx", "<tmx><body><tu><tuv xml:lang=\"en\"><seg>A&#66;<ph>x</ph> &amp; b.</seg></tuv>\n<tuv xml:lang='pt'><seg><![CDATA[C.]]></seg></tuv></tu></body></tmx>"),
            ("x.jsonl", "{\"translation\": {\"en\": \"A.\", \"pt\": \"\\u0043.\", \"n\": NaN}}\n"),
            ("x.json", "[{\"en\": \"A.\", \"pt\": \"C.\", \"n\": [NaN, -Infinity]}, {\"en\": 1}]"),
        ] {
            let mut bytes = content.as_bytes().to_vec();
            for (place, byte) in &damage {
                let at = (place * bytes.len() as f64) as usize;
                bytes[at] = *byte;
            }
            bytes.truncate((length * bytes.len() as f64) as usize);
            let pairs = ParallelSource::File(folder.file(name, &bytes).into());
            if let Ok(loaded) = parallel(&pairs, Language::ENGLISH, Language::PORTUGUESE, 1.0) {
                prop_assert!(loaded.pairs.len() <= 4);
            }
        }
    }

    #[test]
    fn no_text_confuses_the_language_table(text in ".{0,24}") {
        if let Ok(language) = Language::parse(&text) {
            prop_assert_eq!(Language::parse(language.code()), Ok(language));
        }
    }
}
