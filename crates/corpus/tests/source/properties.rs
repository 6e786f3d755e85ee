//! What holds for the rows of any file. Damaged files are those of the fuzzing (`xldistill/tests/fuzz`).

use corpus::language::Language;
use corpus::source::{LoadOptions, ParallelSource, load, parallel};
use proptest::prelude::*;

use crate::Folder;

proptest! {
    #![proptest_config(crate::cases())]

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

    #[test]
    fn no_text_confuses_the_language_table(text in ".{0,24}") {
        if let Ok(language) = Language::parse(&text) {
            prop_assert_eq!(Language::parse(language.code()), Ok(language));
        }
    }
}
