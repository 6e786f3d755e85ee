//! The local LLM through the seams, on the tiny model of `reference/gguf`.

use std::path::{Path, PathBuf};

use corpus::language::Language;
use corpus::record::BackTranslated;
use corpus::reverse_instructions::{Fit, InstructStage, SolvedExample, Writing};
use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Request, TextScorer,
};
use corpus::stage::RowStage;
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
    let questions: Vec<Request> = [
        "Hello",
        "What is 2 + 2?",
        "",
        "Olá, você está bem?",
        "A much longer question than the rest",
    ]
    .map(Request::question)
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
    let chat = [Request::question("Hi").with_continuations(["Hello world"])];
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
        Request::text("").with_continuations(["Hello world"]),
        Request::question("Hi").with_continuations(["Hello world"]),
        Request::text("").with_continuations([""]),
    ];
    let scores = llm.score(&texts).unwrap();
    let scores: Vec<_> = scores
        .iter()
        .map(|continuations| &continuations[0])
        .collect();
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
        assert_eq!(alone[0][0].log_probabilities.len(), counts[index]);
        for (alone, together) in alone[0][0]
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
    let error = llm
        .answer(&[Request::question("Hello")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("spm.gguf") && error.contains("chat template"),
        "{error}"
    );
    assert!(llm.answer(&[Request::text("Hello")]).is_ok());
    let text = Request::text("").with_continuations(["Hello"]);
    assert!(llm.score(&[text]).is_ok());
}

#[test]
fn choices_score_alike_together_and_alone() {
    let llm = load(options(1));
    let long = "A passage that is asked about, over and over. ".repeat(9);
    let requests = [
        Request::text("Q: Is it so?\nAnswer:").with_continuations([
            " yes",
            " no",
            " I do not know",
        ]),
        // Nothing in common but the beginning of the text.
        Request::text("").with_continuations([" So, yes", "Not so", "x"]),
        Request::text("").with_continuations(["One text alone"]),
        Request::question("Is it so?").with_continuations(["Yes.", "Yes, it is.", ""]),
        // A continuation that begins another, and one that is nothing.
        Request::text("The end ").with_continuations(["is near", "is near, they say", ""]),
        // Several passes.
        Request::text(long.clone())
            .with_continuations((0..40).map(|n| format!("Choice {n} of {long}"))),
    ];
    let together = llm.score(&requests).unwrap();
    for (request, together) in requests.iter().zip(&together) {
        assert_eq!(request.continuations.len(), together.len());
        for (continuation, together) in request.continuations.iter().zip(together) {
            let alone = Request {
                continuations: vec![continuation.clone()],
                ..request.clone()
            };
            let alone = &llm.score(&[alone]).unwrap()[0][0];
            assert_eq!(
                alone.log_probabilities.len(),
                together.log_probabilities.len()
            );
            for (one, other) in alone
                .log_probabilities
                .iter()
                .zip(&together.log_probabilities)
            {
                assert!(
                    (one - other).abs() < 1e-4,
                    "{continuation:?}: {one} {other}"
                );
            }
        }
    }
}

#[test]
fn an_answer_ends_at_its_own_budget_or_before_a_stop_text() {
    let llm = load(options(2));
    let free = llm.answer(&[Request::question("Hello")]).unwrap();
    let whole = free[0].text.clone();
    let middle: String = whole.chars().skip(2).take(1).collect();
    let mut stopped = Request::question("Hello");
    stopped.stop = vec![middle.clone()];
    let requests = [
        Request::question("Hello").with_budget(3),
        stopped,
        Request::question("Hello"),
    ];
    let answers = llm.answer(&requests).unwrap();
    assert_eq!(answers[0].tokens, 3);
    assert_eq!(answers[0].finish_reason, FinishReason::Length);
    assert_eq!(answers[1].finish_reason, FinishReason::Stop);
    let (before, _) = whole.split_once(&middle).unwrap();
    assert_eq!(answers[1].text, before.trim());
    assert!(answers[1].tokens < free[0].tokens);
    assert_eq!(answers[2], free[0]);
}

/// Asks for a text on the last word.
struct LastWord;

impl Answerer for LastWord {
    fn identity(&self) -> EngineIdentity {
        load(options(1)).identity()
    }

    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        let answer = |request: &Request| Answer {
            text: format!(
                "Write of {}",
                request.last().rsplit(' ').next().unwrap_or("")
            ),
            finish_reason: FinishReason::Stop,
            tokens: 4,
        };
        Ok(requests.iter().map(answer).collect())
    }
}

/// So that a stage that was killed goes on with the same rows.
#[test]
fn the_fit_of_an_instruction_does_not_depend_on_what_is_scored_with_it() {
    let scorer = load(options(1));
    let writing = Writing {
        prompt: "{text}".into(),
        examples: SolvedExample::defaults(),
        max_copied_words: 8,
    };
    let fit = Fit::new(&scorer, "Write a text.".into(), -10.0);
    let stage = InstructStage::new(&LastWord, 4, Language::ENGLISH, writing).with_fit(fit);
    let texts = [
        "Hello",
        "A river runs to the sea.",
        "Two houses stand beside the road, and one of them is red.",
    ];
    let rows = texts.map(|text| BackTranslated {
        id: text.into(),
        target: Language::PORTUGUESE,
        passage: text.into(),
        translation: text.into(),
    });
    let together = stage.process(&rows).unwrap();
    for (row, together) in rows.iter().zip(together) {
        let fit = together.outputs[0].fit.expect("a fit");
        assert!(fit.is_finite());
        let alone = stage.process(std::slice::from_ref(row)).unwrap();
        assert_eq!(alone[0], together);
    }
}
