//! A real model: Gemma 3 270M from its GGUF file against Transformers. Fixture and exporter:
//! `reference/gemma3_270m`.

/// Needs `models/gemma3-270m/gemma-3-270m-q4_k_m.gguf`, which no script fetches: Google's terms are
/// to be accepted first.
mod with_gemma {
    use std::path::Path;

    use burn::tensor::Device;
    use models::generation::{GenerationOptions, generate};
    use models::scoring::{ScoredSequence, log_probabilities};
    use models::{LanguageModel, Precision, WeightForm};
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Expected {
        texts: Vec<String>,
        ids: Vec<Vec<u32>>,
        continued: Vec<Continued>,
        scores: Vec<Score>,
    }

    #[derive(Deserialize)]
    struct Continued {
        prompt: Vec<u32>,
        generated: Vec<u32>,
    }

    #[derive(Deserialize)]
    struct Score {
        text: String,
        ids: Vec<u32>,
        start: usize,
        log_probabilities: Vec<f32>,
    }

    #[test]
    #[ignore = "needs models/gemma3-270m/gemma-3-270m-q4_k_m.gguf"]
    fn gemma3_as_in_transformers() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let expected = repository.join("reference/gemma3_270m/expected.json");
        let expected: Expected =
            serde_json::from_str(&std::fs::read_to_string(expected).unwrap()).unwrap();
        let path = repository.join("models/gemma3-270m/gemma-3-270m-q4_k_m.gguf");
        let form = WeightForm::Packed(Precision::F32);
        let model = LanguageModel::load_as(path, &Device::flex(), form).unwrap();
        assert_eq!(model.identity.licence.as_deref(), Some("gemma"));
        assert!(model.chat_template.is_none());

        for (text, ids) in expected.texts.iter().zip(&expected.ids) {
            let found = model.tokenizer.encode_raw(text).unwrap();
            assert_eq!(&found, ids, "{text:?}");
        }

        for score in &expected.scores {
            let mut sequence = ScoredSequence::plain(&model.tokenizer, &score.text).unwrap();
            assert_eq!(sequence.ids, score.ids, "{:?}", score.text);
            sequence.from = score.start;
            let found = &log_probabilities(&model, &[sequence], &mut |_| {})[0];
            assert_eq!(found.len(), score.log_probabilities.len());
            for (found, expected) in found.iter().zip(&score.log_probabilities) {
                assert!(
                    (found - expected).abs() < 1e-3,
                    "{found} instead of {expected}: {:?}",
                    score.text
                );
            }
        }

        let (prompts, continuations): (Vec<_>, Vec<_>) = expected
            .continued
            .into_iter()
            .map(|continued| (continued.prompt, continued.generated))
            .unzip();
        for batch_size in [1, 3] {
            let options = GenerationOptions {
                max_new_tokens: 24,
                batch_size,
                ..GenerationOptions::default()
            };
            let generated = generate(&model, &prompts, &options, &mut |_| {});
            let generated: Vec<_> = generated.into_iter().map(|one| one.ids).collect();
            assert_eq!(generated, continuations, "{batch_size} at a time");
        }
    }
}
