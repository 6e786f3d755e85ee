//! Token ids, token types and spans of choices.

use burn::tensor::Device;
use models::{Backbone, EncodedText, TextInput};
use serde::Deserialize;

use crate::fixture::{Texts, expected, llm, stack};

#[derive(Deserialize)]
struct Tokens {
    english: Vec<Encoded>,
    other: Vec<Encoded>,
    pairs: Vec<Encoded>,
    questions: Vec<Encoded>,
}

#[derive(Deserialize)]
struct Encoded {
    ids: Vec<u32>,
    types: Vec<u32>,
    spans: Option<Vec<Vec<u32>>>,
}

/// Each tokenizer, and a backbone that reads with it.
fn backbones() -> Vec<(&'static str, Backbone)> {
    let device = Device::flex();
    vec![
        ("llama", llm("llama", false, &device).0),
        ("gpt2", llm("gpt2", false, &device).0),
        ("nllb", stack("nllb_llama", &device).0),
        ("xlm_roberta", stack("xlm_roberta_llama", &device).0),
        ("bert", stack("bert_llama", &device).0),
    ]
}

fn check(name: &str, found: &EncodedText, expected: &Encoded) {
    assert_eq!(found.ids, expected.ids, "{name}");
    assert_eq!(found.types, expected.types, "{name}: token types");
    let whole = vec![(0..found.ids.len() as u32).collect()];
    let spans = expected.spans.as_ref().unwrap_or(&whole);
    assert_eq!(&found.spans, spans, "{name}: spans");
    assert!(!found.truncated, "{name}");
}

#[test]
fn texts_pairs_and_choices_have_the_reference_s_tokens() {
    let texts = Texts::load();
    for (name, backbone) in backbones() {
        let tokens: Tokens = serde_json::from_value(expected()["tokens"][name].clone()).unwrap();
        let encode = |input, language| backbone.encode(&input, Some(language)).unwrap();
        for (text, expected) in texts.english.iter().zip(&tokens.english) {
            check(name, &encode(TextInput::Single(text), "eng_Latn"), expected);
        }
        for ((language, text), expected) in texts.other.iter().zip(&tokens.other) {
            check(name, &encode(TextInput::Single(text), language), expected);
        }
        for (question, expected) in texts.questions().zip(&tokens.questions) {
            check(name, &encode(question, "eng_Latn"), expected);
        }
        for ((first, second), mut expected) in texts.pairs.iter().zip(tokens.pairs) {
            if name == "gpt2" {
                // Its tokenizer puts nothing between two texts, which would run into each other;
                // here the BOS token stands between them.
                let first = encode(TextInput::Single(first), "eng_Latn").ids.len();
                expected.ids.insert(first, 0);
                expected.types.push(0);
            }
            let pair = encode(TextInput::Pair(first, second), "eng_Latn");
            check(name, &pair, &expected);
        }
    }
}

#[test]
fn a_long_input_is_cut_and_says_so() {
    let texts = Texts::load();
    let question = &texts.questions[0];
    let long = format!("{} ", question.passage).repeat(40);
    let device = Device::flex();
    let short = models::BackboneSettings {
        max_length: 60,
        ..Default::default()
    };
    let model = models::LanguageModel::load(crate::fixture::folder("llama"), &device).unwrap();
    let (backbone, _) = Backbone::of_llm(model, short);
    let single = backbone.encode(&TextInput::Single(&long), None).unwrap();
    assert_eq!((single.tokens(), single.truncated), (60, true));
    let pair = backbone
        .encode(&TextInput::Pair("A short text.", &long), None)
        .unwrap();
    assert_eq!((pair.tokens(), pair.truncated), (60, true));
    let first = backbone.encode(&TextInput::Single("A short text."), None);
    assert!(pair.ids.starts_with(&first.unwrap().ids), "the longer one");

    let input = TextInput::Choices {
        passage: &long,
        question: &question.question,
        choices: &question.choices,
    };
    let cut = backbone.encode(&input, None).unwrap();
    let whole = backbone.encode(&question.input(), None).unwrap();
    assert!(cut.truncated && cut.tokens() <= 60, "{}", cut.tokens());
    for (cut_span, span) in cut.spans.iter().zip(&whole.spans) {
        let ids = |text: &EncodedText, span: &[u32]| -> Vec<u32> {
            span.iter().map(|&at| text.ids[at as usize]).collect()
        };
        assert_eq!(ids(&cut, cut_span), ids(&whole, span));
    }
}

#[test]
fn an_empty_text_has_a_token() {
    for (name, backbone) in backbones() {
        let empty = backbone.encode(&TextInput::Single(""), Some("eng_Latn"));
        let empty = empty.unwrap();
        assert!(!empty.ids.is_empty(), "{name}");
        assert_eq!(empty.spans[0].len(), empty.ids.len(), "{name}");
    }
}
