//! The local LLM through the seams, on the tiny model of `reference/gguf`.

use std::path::{Path, PathBuf};

use corpus::seam::{Answerer, FinishReason, ScoredText, TextScorer};
use engines::local_llm::{LocalLlm, LocalLlmOptions};

fn tiny(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference/gguf")
        .join(name)
}

fn options(batch_size: usize) -> LocalLlmOptions {
    LocalLlmOptions {
        max_new_tokens: 12,
        batch_size,
        ..LocalLlmOptions::default()
    }
}

fn load(options: LocalLlmOptions) -> LocalLlm {
    LocalLlm::open(&tiny("bpe.gguf"), options).unwrap()
}

#[test]
fn answers_do_not_depend_on_the_batch() {
    let questions: Vec<String> = [
        "Hello",
        "What is 2 + 2?",
        "",
        "Olá, você está bem?",
        "A much longer question than the rest",
    ]
    .map(String::from)
    .into();
    let together = load(options(3)).answer(&questions).unwrap();
    assert_eq!(together.len(), questions.len());
    for (question, answer) in questions.iter().zip(&together) {
        let alone = load(options(1))
            .answer(std::slice::from_ref(question))
            .unwrap();
        assert_eq!(&alone[0], answer, "{question:?}");
        assert!((1..=12).contains(&answer.tokens));
        assert_eq!(
            answer.finish_reason == FinishReason::Length,
            answer.tokens == 12
        );
    }
}

#[test]
fn a_system_prompt_is_heard_and_is_part_of_the_identity() {
    let plain = load(options(1));
    let system = LocalLlmOptions {
        system_prompt: Some("Hello hello.".into()),
        ..options(1)
    };
    let system = load(system);
    assert_eq!(plain.identity().revision, system.identity().revision);
    assert_ne!(plain.identity().parameters, system.identity().parameters);
    assert_eq!(plain.identity().licence.as_deref(), Some("apache-2.0"));
    let chat = [ScoredText::Chat {
        question: "Hi".into(),
        answer: "Hello world".into(),
    }];
    assert_ne!(plain.score(&chat).unwrap(), system.score(&chat).unwrap());
}

#[test]
fn scores_are_log_probabilities_of_the_answer_and_its_end() {
    let llm = load(options(1));
    let tokens = llm
        .model()
        .unwrap()
        .tokenizer
        .encode("Hello world")
        .unwrap()
        .len();
    let texts = [
        ScoredText::Plain("Hello world".into()),
        ScoredText::Chat {
            question: "Hi".into(),
            answer: "Hello world".into(),
        },
        ScoredText::Plain(String::new()),
    ];
    let scores = llm.score(&texts).unwrap();
    let counts: Vec<usize> = scores
        .iter()
        .map(|score| score.log_probabilities.len())
        .collect();
    // Plain text is scored after BOS; an answer with the token that ends its turn.
    assert_eq!(counts, [tokens, tokens + 1, 0]);
    assert!(
        scores
            .iter()
            .flat_map(|score| &score.log_probabilities)
            .all(|&value| value < 0.0)
    );
    for (index, text) in texts.iter().enumerate() {
        let alone = llm.score(std::slice::from_ref(text)).unwrap();
        assert_eq!(alone[0].log_probabilities.len(), counts[index]);
        for (alone, together) in alone[0]
            .log_probabilities
            .iter()
            .zip(&scores[index].log_probabilities)
        {
            assert!((alone - together).abs() < 1e-5);
        }
    }
}

#[test]
fn a_model_without_a_chat_template_cannot_answer() {
    let llm = LocalLlm::open(&tiny("spm.gguf"), options(1)).unwrap();
    let error = llm.answer(&["Hello".into()]).unwrap_err().to_string();
    assert!(
        error.contains("spm.gguf") && error.contains("chat template"),
        "{error}"
    );
    assert!(llm.score(&[ScoredText::Plain("Hello".into())]).is_ok());
}
