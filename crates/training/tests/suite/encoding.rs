//! What is learnt of an example, and what happens to long ones.

use burn::Tensor;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::s;
use models::ParameterPath;
use training::fine_tune::{
    EncodeError, Encoder, ExcessLength, Method, Objective, TrainConfig, model_warnings, samples,
};

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
    // 3, 2 and 5 of 10 examples.
    let weights: Vec<f64> = samples.iter().map(|sample| sample.weight).collect();
    assert_eq!(weights, [10.0 / 9.0, 10.0 / 6.0, 10.0 / 15.0]);
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
    let left = dropped.examples.len() as f64;
    let objective = Objective::new(&tiny::config(), &dropped.examples);
    let weights = dropped.examples.iter().map(|e| objective.weight(e));
    assert!(
        (weights.sum::<f64>() - left).abs() < 1e-9,
        "the weights count what is left"
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
    let mut shrink = Shrink {
        path: ParameterPath::default(),
        row: end,
    };
    model.network = model.network.map(&mut shrink);
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

/// Makes a row of the token table a hundredth of what it is.
struct Shrink {
    path: ParameterPath,
    row: usize,
}

impl ModuleMapper for Shrink {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.path.name() != "model.embed_tokens.weight" {
            return parameter;
        }
        parameter.map(|table| {
            let shape = table.dims();
            let row = self.row * shape[D - 1]..(self.row + 1) * shape[D - 1];
            let values = table.reshape([shape.iter().product::<usize>()]);
            let small = values.clone().slice(s![row.clone()]) * 0.01;
            values.slice_assign(s![row], small).reshape(shape)
        })
    }
}
