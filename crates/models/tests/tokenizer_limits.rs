//! A tokenizer whose regular expressions would take for ever on a text gives up on it and says which
//! file is to blame.

use std::fs;
use std::path::Path;

use models::tokenizer::{SpecialTokens, Tokenizer};
use serde_json::json;

/// A tokenizer of single letters that splits text at `pattern`.
fn splitting(folder: &Path, pattern: &str) -> Tokenizer {
    let file = folder.join("tokenizer.json");
    let json = json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false,
        },
        "post_processor": null,
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": { "a": 0, "b": 1, "u": 2 }, "unk_token": "u" },
    });
    fs::write(&file, json.to_string()).unwrap();
    Tokenizer::from_file(&file, SpecialTokens::default()).unwrap()
}

#[test]
fn an_expression_without_end_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (pattern, text) in [
        // Exponential at one place.
        ("(a|a)*b", "a".repeat(60) + "-b"),
        // Quadratic at each of many places: within Oniguruma's own limit at every one of them.
        ("a*a*a*b", "a".repeat(1200) + "-b"),
    ] {
        let tokenizer = splitting(folder.path(), pattern);
        assert_eq!(tokenizer.encode("b").unwrap(), [1], "{pattern}");
        let error = tokenizer.encode(&text).unwrap_err().to_string();
        let file = folder.path().join("tokenizer.json");
        assert!(
            error.starts_with(&file.display().to_string()),
            "{pattern}: {error}"
        );
        assert!(error.contains("retry-limit"), "{pattern}: {error}");
    }
}

/// The library drops its tree of letters by recursion: such a piece overflowed the stack.
#[test]
fn a_piece_as_long_as_a_book_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokenizer.json");
    let long = "ab".repeat(30_000);
    for model in [
        json!({ "type": "Unigram", "unk_id": 0, "vocab": [["u", 0.0], [long, -1.0]] }),
        json!({ "type": "WordLevel", "vocab": { "u": 0, long.clone(): 1 }, "unk_token": "u" }),
    ] {
        fs::write(
            &file,
            json!({ "version": "1.0", "model": model }).to_string(),
        )
        .unwrap();
        let error = Tokenizer::from_file(&file, SpecialTokens::default()).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("a piece of the vocabulary has 60000 bytes, and 4096 are allowed"),
            "{error}"
        );
    }
}

/// Truncation keeps what it cuts, and the library lays out every combination of such parts: a
/// template with a text forty times took all memory.
#[test]
fn a_layout_that_repeats_a_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokenizer.json");
    let text = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    let tokenizer = |pair: Vec<serde_json::Value>| {
        let json = json!({
            "version": "1.0",
            "added_tokens": [],
            "normalizer": null,
            "pre_tokenizer": { "type": "WhitespaceSplit" },
            "post_processor": {
                "type": "TemplateProcessing", "single": [text("A")], "pair": pair, "special_tokens": {},
            },
            "decoder": null,
            "model": { "type": "WordLevel", "vocab": { "a": 0, "b": 1, "u": 2 }, "unk_token": "u" },
        });
        fs::write(&file, json.to_string()).unwrap();
        Tokenizer::from_file(&file, SpecialTokens::default()).unwrap()
    };
    let long = "a ".repeat(100);
    let twice = tokenizer(vec![text("A"), text("B")]);
    let laid_out = twice.lay_out(&long, Some("b"), 16).unwrap();
    assert_eq!(laid_out.ids, [&[0; 15][..], &[1]].concat());
    assert!(laid_out.truncated);
    let forty = tokenizer([vec![text("A"); 40], vec![text("B")]].concat());
    let error = forty.lay_out(&long, Some("b"), 16).unwrap_err().to_string();
    assert!(error.contains("repeats a text"), "{error}");
}

/// The library counts all numbers up to the highest id, and makes room for as many characters as a
/// table says it has.
#[test]
fn numbers_that_ask_for_gigabytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokenizer.json");
    let refusal = |added: serde_json::Value, normalizer: serde_json::Value, id: u64| {
        let json = json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": normalizer,
            "model": { "type": "WordLevel", "vocab": { "u": 0, "a": id }, "unk_token": "u" },
        });
        fs::write(&file, json.to_string()).unwrap();
        let read = Tokenizer::from_file(&file, SpecialTokens::default());
        read.err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let none = || json!([]);
    assert_eq!(refusal(none(), json!(null), 1), "");
    let said = refusal(none(), json!(null), u64::from(u32::MAX) - 1);
    assert!(said.contains("a token has the id 4294967294"), "{said}");
    let token = json!([{
        "id": 1 << 30, "content": "b", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
    }]);
    let said = refusal(token, json!(null), 1);
    assert!(said.contains("a token has the id 1073741824"), "{said}");
    let table = json!({ "type": "Precompiled", "precompiled_charsmap": "////f////38=" });
    let said = refusal(none(), table, 1);
    assert!(said.contains("its trie has 2147483647"), "{said}");
}
