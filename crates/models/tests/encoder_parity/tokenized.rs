//! Token ids and types of texts, pairs and choices.

use burn::tensor::Device;
use models::TextInput;

use crate::all;
use crate::fixture::Fixture;

#[test]
fn ids_and_types_of_texts_and_pairs_at_every_length() {
    for name in all() {
        let Fixture {
            model, expected, ..
        } = Fixture::load(name, &Device::flex());
        let mut truncated = 0;
        for case in &expected.tokenized {
            let input = match &case.second {
                None => TextInput::Single(&case.first),
                Some(second) => TextInput::Pair(&case.first, second),
            };
            let length = case.max_length.unwrap_or(usize::MAX);
            let encoded = model
                .tokenizer
                .encode(&input, case.language.as_deref(), length)
                .unwrap();
            let what = format!("{name}: {input:?} in {length}");
            assert_eq!(encoded.ids, case.ids, "{what}");
            assert_eq!(encoded.types, case.types, "{what}");
            assert_eq!(encoded.truncated, case.truncated, "{what}");
            assert_eq!(
                encoded.spans,
                [(0..case.ids.len() as u32).collect::<Vec<_>>()]
            );
            truncated += usize::from(case.truncated);
        }
        assert!(truncated > 20, "{name}: {truncated}");
    }
}

#[test]
fn no_sequence_is_longer_than_the_positions() {
    for name in all() {
        let model = Fixture::load(name, &Device::flex()).model;
        let text = "bread and eggs ".repeat(200);
        let encode = |input: &TextInput<'_>| {
            let encoded = model.tokenizer.encode(input, Some("eng_Latn"), usize::MAX);
            encoded.unwrap()
        };
        for input in [TextInput::Single(&text), TextInput::Pair(&text, "sand")] {
            let encoded = encode(&input);
            assert!(encoded.truncated, "{name}");
            assert_eq!(encoded.tokens(), model.shape().max_tokens, "{name}");
        }
        let short = encode(&TextInput::Single("bread"));
        assert!(!short.truncated, "{name}");
    }
}

#[test]
fn special_tokens_that_leave_no_room_are_an_error() {
    for name in all() {
        let model = Fixture::load(name, &Device::flex()).model;
        let input = TextInput::Pair("bread", "eggs");
        let error = model.tokenizer.encode(&input, Some("eng_Latn"), 1);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("but the maximum length is 1"), "{error}");
    }
}

#[test]
fn a_language_is_required_only_by_models_that_mark_it() {
    let input = TextInput::Single("bread");
    for name in all() {
        let model = Fixture::load(name, &Device::flex()).model;
        let encode = |language| model.tokenizer.encode(&input, language, 64);
        if name != "nllb" {
            assert_eq!(model.tokenizer.languages(), None);
            assert_eq!(encode(None).unwrap(), encode(Some("none")).unwrap());
            continue;
        }
        assert_eq!(model.tokenizer.languages().unwrap().len(), 8);
        let [english, german] = ["eng_Latn", "deu_Latn"].map(|code| encode(Some(code)).unwrap());
        assert_eq!(english.ids[1..], german.ids[1..]);
        assert_ne!(english.ids[0], german.ids[0]);
        let message = encode(Some("por_Cyrl")).unwrap_err().to_string();
        assert!(message.contains("among them por_Latn"), "{message}");
        let message = encode(None).unwrap_err().to_string();
        assert!(message.contains("tokenizer.json"), "{message}");
        assert!(message.contains("e.g. eng_Latn"), "{message}");
    }
}

#[test]
fn a_prefix_precedes_the_first_text() {
    for name in all() {
        let plain = Fixture::load(name, &Device::flex()).model.tokenizer;
        let prefixed = plain.clone().with_prefix("sand and ");
        for (input, same) in [
            (
                TextInput::Single("eggs"),
                TextInput::Single("sand and eggs"),
            ),
            (
                TextInput::Pair("eggs", "sea"),
                TextInput::Pair("sand and eggs", "sea"),
            ),
        ] {
            let english = Some("eng_Latn");
            let found = prefixed.encode(&input, english, 64).unwrap();
            assert_eq!(found, plain.encode(&same, english, 64).unwrap(), "{name}");
        }
    }
}

/// Spans against Transformers are checked with the stacks of `reference/mt_llm`.
#[test]
fn choices_have_spans_of_their_own() {
    let choices: Vec<String> = ["sand", "bread and eggs", "", "sand"]
        .map(str::to_owned)
        .into();
    let passage = "Three friends walked to the market and bought bread. ".repeat(4);
    let input = TextInput::Choices {
        passage: &passage,
        question: "What?",
        choices: &choices,
    };
    for name in all() {
        let model = Fixture::load(name, &Device::flex()).model;
        let encode = |length| {
            let encoded = model.tokenizer.encode(&input, Some("eng_Latn"), length);
            encoded.unwrap()
        };
        let whole = encode(usize::MAX);
        let cut = encode(whole.tokens().min(model.shape().max_tokens) - 9);
        assert!(cut.truncated && cut.tokens() < whole.tokens(), "{name}");
        for encoded in [whole, cut] {
            assert_eq!(encoded.spans.len(), 4, "{name}");
            let spans = encoded.spans.concat();
            assert!(
                spans.is_sorted_by(|a, b| a < b),
                "{name}: {:?}",
                encoded.spans
            );
            let span = |index: usize| -> Vec<u32> {
                let tokens = encoded.spans[index].iter();
                tokens.map(|&token| encoded.ids[token as usize]).collect()
            };
            assert_eq!(span(0), span(3), "{name}");
            assert_ne!(span(0), span(2), "{name}");
        }
    }
}
