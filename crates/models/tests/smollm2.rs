//! A real model: SmolLM2-135M-Instruct from its GGUF file against Transformers. Fixture and
//! exporter: `reference/smollm2`.

use burn::tensor::Device;
use kernels::Precision;
use models::LanguageModel;
use models::chat_template::Message;
use models::export::{StoredFormat, save_huggingface};
use models::generation::{GenerationOptions, generate};
use models::scoring::{ScoredSequence, log_probabilities};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
    answers: Vec<Answer>,
    scores: Vec<Score>,
}

#[derive(Deserialize)]
struct Answer {
    question: String,
    prompt: Vec<u32>,
    generated: Vec<u32>,
}

#[derive(Deserialize)]
struct Score {
    ids: Vec<u32>,
    log_probabilities: Vec<f32>,
}

fn expected() -> Expected {
    let path = fixtures::reference("smollm2/expected.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn answers(model: &LanguageModel, batch_size: usize) -> Vec<Vec<u32>> {
    let prompts: Vec<Vec<u32>> = expected()
        .answers
        .iter()
        .map(|answer| {
            let template = model.chat_template.as_ref().unwrap();
            let prompt = template
                .prompt(&model.tokenizer, &[Message::user(answer.question.clone())])
                .unwrap();
            assert_eq!(prompt, answer.prompt);
            prompt
        })
        .collect();
    let options = GenerationOptions {
        max_new_tokens: 24,
        batch_size,
        ..GenerationOptions::default()
    };
    let mut finished = 0;
    let generated = generate(model, &prompts, &options, &mut |count| finished += count);
    assert_eq!(finished, prompts.len());
    generated
        .into_iter()
        .map(|generated| generated.ids)
        .collect()
}

mod with_models {
    use super::*;

    #[test]
    #[ignore = "needs models: make test-models"]
    fn smollm2_as_in_transformers() {
        let path = fixtures::model(fixtures::SMOLLM2).join("SmolLM2-135M-Instruct.Q4_1.gguf");
        let expected = expected();
        let model = LanguageModel::load(path, &Device::flex()).unwrap();
        assert_eq!(model.identity.licence.as_deref(), Some("apache-2.0"));

        for (text, ids) in expected.texts.iter().zip(&expected.ids) {
            assert_eq!(&model.tokenizer.encode_raw(text).unwrap(), ids, "{text:?}");
        }

        let sequences: Vec<ScoredSequence> = expected
            .scores
            .iter()
            .map(|score| ScoredSequence {
                ids: score.ids.clone(),
                from: 1,
            })
            .collect();
        let found = log_probabilities(&model, &sequences, &mut |_| {});
        for (found, score) in found.iter().zip(&expected.scores) {
            assert_eq!(found.len(), score.log_probabilities.len());
            for (found, expected) in found.iter().zip(&score.log_probabilities) {
                assert!(
                    (found - expected).abs() < 1e-3,
                    "{found} instead of {expected}"
                );
            }
        }

        let generated: Vec<Vec<u32>> = expected
            .answers
            .iter()
            .map(|answer| answer.generated.clone())
            .collect();
        let packed = model.packed(Precision::F32);
        assert_eq!(answers(&packed, 1), generated, "one at a time");
        assert_eq!(
            answers(&packed, 3),
            generated,
            "three at a time, as they come and go"
        );

        let folder = tempfile::tempdir().unwrap();
        save_huggingface(&model, folder.path(), StoredFormat::F32).unwrap();
        let again = LanguageModel::load(folder.path(), &Device::flex()).unwrap();
        assert_eq!(again.config, model.config);
        assert_eq!(again.stop_tokens, model.stop_tokens);
        assert_eq!(
            answers(&again.packed(Precision::F32), 5),
            generated,
            "saved and loaded"
        );
    }
}
