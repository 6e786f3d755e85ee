//! What is learnt of an example, and what happens to long ones.

use burn::module::Param;
use burn::tensor::s;
use training::TrainConfig;
use training::config::{ExcessLength, Method};
use training::encode::{EncodeError, Encoder};
use training::inspect::samples;
use training::preflight::model_warnings;

use crate::tiny;

#[test]
fn the_answer_and_its_end_of_turn_are_learnt_and_nothing_else() {
    let model = tiny::model();
    let samples = samples(&model, &tiny::examples(), &tiny::config()).unwrap();
    let of = |index: usize| {
        (
            samples[index].prompt.as_str(),
            samples[index].supervised.as_str(),
        )
    };
    assert_eq!(samples.len(), 3);
    let (prompt, supervised) = of(0);
    assert!(prompt.starts_with("<|im_start|>user") && prompt.trim_end().ends_with("assistant"));
    assert_eq!(supervised.replace(' ', ""), "lisboa<|im_end|>");
    assert_eq!(of(1).1.replace(' ', ""), "lisboaeporto<|im_end|>");
    let shown = samples[0].to_string();
    assert!(
        shown.contains("⟦lisboa") && shown.ends_with("<|im_end|>⟧"),
        "{shown}"
    );
}

#[test]
fn every_example_ends_with_the_end_of_turn_token() {
    let model = tiny::model();
    let end = model.tokenizer.id("<|im_end|>").unwrap();
    for example in tiny::encoded(&model) {
        assert_eq!(example.ids.last(), Some(&end));
        let answer = &example.ids[example.answer_start..];
        assert_eq!(answer.iter().filter(|id| **id == end).count(), 1);
    }
}

#[test]
fn long_examples_are_dropped_cut_or_refused_as_configured() {
    let model = tiny::model();
    let all = tiny::encoded(&model);
    let longest = all.iter().map(|example| example.ids.len()).max().unwrap();
    let long: Vec<&str> = all
        .iter()
        .filter(|e| e.ids.len() == longest)
        .map(|e| e.id.as_str())
        .collect();
    let with = |excess_length| {
        let config = TrainConfig {
            max_length: longest - 1,
            excess_length,
            ..tiny::config()
        };
        Encoder::new(&model, &config)
            .unwrap()
            .encode(&tiny::examples())
    };

    let dropped = with(ExcessLength::Drop).unwrap();
    assert_eq!(dropped.dropped, long);
    assert_eq!(dropped.examples.len(), all.len() - long.len());
    let weights: f64 = dropped.examples.iter().map(|e| e.weight).sum();
    assert!(
        (weights - dropped.examples.len() as f64).abs() < 1e-9,
        "the mean weight stays 1"
    );

    let truncated = with(ExcessLength::Truncate).unwrap();
    assert_eq!(truncated.truncated, long);
    assert!(truncated.examples.iter().all(|e| e.ids.len() < longest));

    let error = with(ExcessLength::Raise).unwrap_err();
    assert!(
        matches!(&error, EncodeError::TooLong { id, .. } if *id == long[0]),
        "{error}"
    );
}

#[test]
fn a_model_without_a_chat_template_cannot_be_trained() {
    let mut model = tiny::model();
    model.chat_template = None;
    let error = Encoder::new(&model, &tiny::config())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("has no chat template"), "{error}");
}

#[test]
fn an_end_of_turn_that_was_never_trained_is_noticed_before_lora() {
    let mut model = tiny::model();
    let lora = TrainConfig {
        method: Method::Lora,
        ..tiny::config()
    };
    assert_eq!(model_warnings(&model, &lora).unwrap(), Vec::<String>::new());

    let end = model.tokenizer.id("<|im_end|>").unwrap() as usize;
    let table = model.llama.model.embed_tokens.weight.val();
    let row = table.clone().slice(s![end..=end, ..]) * 0.01;
    model.llama.model.embed_tokens.weight =
        Param::from_tensor(table.slice_assign(s![end..=end, ..], row));
    let warnings = model_warnings(&model, &lora).unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].contains("<|im_end|>"),
        "{warnings:?}"
    );
    assert_eq!(
        model_warnings(&model, &tiny::config()).unwrap(),
        Vec::<String>::new()
    );
}
