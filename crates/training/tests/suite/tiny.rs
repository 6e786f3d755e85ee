//! The tiny model of `reference/training` and examples it can read.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use corpus::language::Language;
use corpus::record::{Example, Subset};
use models::LanguageModel;
use training::encode::{Encoded, Encoder};
use training::{TrainConfig, config::LearningRate};

/// The folder of the fixtures.
pub fn reference() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../reference/training")
}

/// Two random layers with a word-level tokenizer and ChatML.
pub fn model() -> LanguageModel {
    LanguageModel::load(reference().join("tiny"), &Device::flex()).unwrap()
}

/// Three subsets of unequal size, answers of unequal length, the weights of the mix stage.
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
        .map(|(index, &(subset, question, answer))| {
            let size = rows.iter().filter(|row| row.0 == subset).count();
            Example {
                id: format!("row-{index}"),
                subset,
                question_language: language("eng_Latn"),
                answer_language: language("por_Latn"),
                question: question.to_string(),
                answer: answer.to_string(),
                weight: rows.len() as f64 / (3.0 * size as f64),
            }
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

/// The device's random generator belongs to the process: tests that draw from it take turns.
pub fn random_generator() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
