use serde_json::{Value, json};

use super::*;

/// A byte-level tokenizer with a few merges over words of one and more bytes.
fn tokenizer(pre_tokenizer: Value) -> tokenizers::Tokenizer {
    let mut letters: Vec<char> = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet()
        .into_iter()
        .collect();
    letters.sort_unstable();
    let merges = [
        ["t", "h"],
        ["th", "e"],
        ["Ġ", "the"],
        ["Ġ", "a"],
        ["Ġ", "Ġ"],
        ["Ċ", "Ċ"],
        ["i", "n"],
        ["Ã", "©"],
        ["'", "s"],
        ["l", "l"],
        ["!", "!"],
        ["å", "ľ"],
        ["1", "2"],
        ["Ġ", "1"],
    ];
    let tokens = letters.iter().map(char::to_string);
    let tokens = tokens.chain(merges.iter().map(|pair| pair.concat()));
    let vocabulary: Value = tokens
        .enumerate()
        .map(|(id, token)| (token, json!(id)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let added = |id: usize, content: &str| {
        json!({
            "id": id, "content": content, "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false
        })
    };
    let json = json!({
        "version": "1.0",
        "added_tokens": [added(1000, "<|end|>"), added(1001, "<|end|>>"), added(1002, "[A]")],
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": null,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    });
    tokenizers::Tokenizer::from_bytes(json.to_string()).unwrap()
}

fn bytes() -> Value {
    json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true
    })
}

fn with_digits() -> Value {
    let digits = json!({"type": "Digits", "individual_digits": true});
    json!({"type": "Sequence", "pretokenizers": [digits, bytes()]})
}

/// Texts with everything that the pattern treats specially.
fn texts() -> Vec<String> {
    let parts = [
        "the",
        " the",
        "a",
        "é",
        "œ",
        "日本",
        "ไทย",
        "हिन्दी",
        "1",
        "12",
        "²",
        "Ⅷ",
        "٣",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\u{a0}",
        "\u{3000}",
        "'s",
        "'S",
        "'ll",
        "'",
        "’s",
        "!",
        "!!",
        "...",
        "-",
        "_",
        "<|end|>",
        "<|end|>>",
        "<|en",
        "[A]",
        "[",
        "\u{301}",
        "\u{200b}",
        "\0",
        "€",
        "½",
    ];
    let mut state = 7_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 10) as usize % below
    };
    let mut text = || {
        (0..random(12))
            .map(|_| parts[random(parts.len())])
            .collect()
    };
    (0..20_000).map(|_| text()).collect()
}

#[test]
fn words_give_the_ids_of_the_whole_text() {
    for pre_tokenizer in [bytes(), with_digits()] {
        let tokenizer = tokenizer(pre_tokenizer);
        let cache = WordCache::new(&tokenizer).unwrap();
        for text in texts() {
            let expected = tokenizer.encode_fast(text.as_str(), false).unwrap();
            let ids = cache.encode(&text, &tokenizer).unwrap().unwrap();
            assert_eq!(ids, expected.get_ids(), "{text:?}");
        }
        assert!(!cache.known.read().unwrap().words.is_empty());
    }
}

#[test]
fn other_tokenizers_and_characters_are_left_alone() {
    let mut prefixed = bytes();
    prefixed["add_prefix_space"] = json!(true);
    for other in [prefixed, json!({"type": "Whitespace"}), Value::Null] {
        assert!(WordCache::new(&tokenizer(other)).is_none());
    }
    let tokenizer = tokenizer(bytes());
    let cache = WordCache::new(&tokenizer).unwrap();
    assert!(cache.encode("a 😀", &tokenizer).is_none());
}
