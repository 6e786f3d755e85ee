//! The tiny model of `reference/training` and examples it can read.

use std::collections::BTreeSet;
use std::path::PathBuf;

use burn::tensor::Device;
use corpus::language::Language;
use corpus::record::{Example, Subset};
use models::checkpoint::Checkpoint;
use models::huggingface::SafetensorsCheckpoint;
use models::{LanguageModel, Network};
use training::fine_tune::{Encoded, Encoder, LearningRate, SupervisedSet, TrainConfig};
use training::optimizer::AdamW;
use training::run::{self, StepGradients, StepPlan, StepResult};

/// The folder of the fixtures.
pub fn reference() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../reference/training")
}

/// Two random layers with a word-level tokenizer and ChatML.
pub fn model() -> LanguageModel {
    LanguageModel::load(reference().join("tiny"), &Device::flex()).unwrap()
}

/// Three subsets of unequal size, answers of unequal length.
pub fn examples() -> Vec<Example> {
    let rows = [
        (Subset::LL, "what is the capital of portugal ?", "lisboa"),
        (Subset::LL, "name a city .", "porto and lisboa"),
        (Subset::LL, "say hello", "hello , good morning !"),
        (Subset::TT, "qual é o nome da cidade ?", "lisboa e porto"),
        (Subset::TT, "diga olá", "olá , bom dia e boa noite !"),
        (
            Subset::Mt,
            "translate this sentence from English to Portuguese . good night",
            "boa noite",
        ),
        (
            Subset::Mt,
            "translate this sentence from Portuguese to English . bom dia",
            "good morning",
        ),
        (
            Subset::Mt,
            "translate this sentence from English to Portuguese . cat and dog",
            "gato e cão",
        ),
        (
            Subset::Mt,
            "translate this sentence from English to Portuguese . house",
            "casa",
        ),
        (
            Subset::Mt,
            "translate this sentence from English to Portuguese . book",
            "livro",
        ),
    ];
    let language = |code| Language::parse(code).unwrap();
    rows.iter()
        .enumerate()
        .map(|(index, &(subset, question, answer))| Example {
            id: format!("row-{index}"),
            subset,
            question_language: language("eng_Latn"),
            answer_language: language("por_Latn"),
            question: question.to_string(),
            answer: answer.to_string(),
            teacher_question: None,
        })
        .collect()
}

/// A configuration that trains the tiny model visibly in a few steps.
pub fn config() -> TrainConfig {
    TrainConfig {
        learning_rate: LearningRate::Value(1e-2),
        examples_per_step: 4,
        tokens_per_batch: 48,
        epochs: 2,
        ..TrainConfig::default()
    }
}

/// The examples as token ids.
pub fn encoded(model: &LanguageModel) -> Vec<Encoded> {
    Encoder::new(model, &config())
        .unwrap()
        .encode(&examples())
        .unwrap()
        .examples
}

/// Loss and gradients of an optimiser step over the examples of `set`.
pub fn gradients(network: &Network, set: &SupervisedSet, plan: &StepPlan) -> StepGradients {
    let computed = run::gradients(network, plan, 0, 0, |network, batch, place| {
        set.loss(network, batch, place)
    });
    computed.unwrap()
}

/// One optimiser step over the examples of `set` with the settings of `config`.
pub fn train_step(
    network: Network,
    optimizer: &mut AdamW,
    set: &SupervisedSet,
    plan: &StepPlan,
    (step, learning_rate): (usize, f64),
    config: &TrainConfig,
) -> (Network, StepResult) {
    let settings = config.settings(learning_rate);
    let stepped = run::train_step(
        network,
        optimizer,
        plan,
        step,
        learning_rate,
        &settings,
        |network: &Network, batch: &[usize], place: &_| set.loss(network, batch, place),
    );
    stepped.unwrap()
}

/// The names of the tiny model's tensors.
pub fn tensor_names() -> BTreeSet<String> {
    let names = SafetensorsCheckpoint::open(&reference().join("tiny"));
    let names = names.unwrap().names().into_iter();
    names.filter(|name| name != "lm_head.weight").collect()
}
