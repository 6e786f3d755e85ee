//! The evaluation suite with small deterministic models: numbers, files, resuming, reuse.

mod learned;
mod numbers;
mod resuming;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use corpus::language::Language;
use corpus::progress::Silent;
use corpus::record::{Example, Subset};
use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Identification,
    LanguageIdentifier, Request, TextScorer, TokenScores,
};
use evaluation::material::{EvaluationMaterial, Pairs, Question};
use evaluation::results::Results;
use evaluation::suite::{EvaluateConfig, EvaluateError, evaluate};
use evaluation::task::Subject;

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;

fn identity(engine: &str, revision: &str) -> EngineIdentity {
    EngineIdentity {
        engine: engine.to_owned(),
        model: format!("models/{engine} one"),
        revision: revision.to_owned(),
        parameters: "max_new_tokens=48 greedy".to_owned(),
        licence: None,
    }
}

/// Says what its script says, word for word, and stops working after `patience` calls.
struct Scripted {
    answers: BTreeMap<String, String>,
    revision: &'static str,
    calls: AtomicUsize,
    patience: usize,
}

impl Scripted {
    fn new(revision: &'static str, patience: usize) -> Self {
        let script = [
            ("Pergunta em português?", "Uma resposta em português."),
            ("Outra pergunta em português?", "An answer in English."),
            (
                "Repita comigo esta pergunta, por favor?",
                "Repita comigo esta pergunta, por favor.",
            ),
            ("Fale sem parar!", &"de novo e ".repeat(60)),
            ("Quanto é dois mais dois?", "4"),
            ("Diga nada.", " \n "),
        ];
        let answers = script
            .iter()
            .map(|(one, other)| (one.to_string(), other.to_string()))
            .collect();
        Self {
            answers,
            revision,
            calls: AtomicUsize::new(0),
            patience,
        }
    }
}

impl Answerer for Scripted {
    fn identity(&self) -> EngineIdentity {
        identity("scripted", self.revision)
    }

    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.patience {
            return Err(EngineError::new("scripted", "the plug was pulled"));
        }
        Ok(requests
            .iter()
            .map(|request| Answer {
                text: match self.answers.get(request.last()) {
                    Some(answer) => answer.clone(),
                    None => request.last().lines().last().unwrap_or_default().to_owned(),
                },
                finish_reason: FinishReason::Stop,
                tokens: 3,
            })
            .collect())
    }
}

impl TextScorer for Scripted {
    /// ln ½ a byte for Portuguese letters, ln ¾ otherwise.
    fn score(&self, requests: &[Request]) -> Result<Vec<Vec<TokenScores>>, EngineError> {
        let score = |text: &String| {
            let probability: f32 = if text.is_ascii() { 0.75 } else { 0.5 };
            TokenScores {
                log_probabilities: vec![probability.ln(); text.len()],
            }
        };
        let scores = |request: &Request| request.continuations.iter().map(score).collect();
        Ok(requests.iter().map(scores).collect())
    }
}

/// Knows Portuguese by its accents and English by the lack of them.
struct Accents;

impl LanguageIdentifier for Accents {
    fn identity(&self) -> EngineIdentity {
        identity("accents", "1")
    }

    fn identify(&self, text: &str) -> Identification {
        if text
            .chars()
            .filter(|character| character.is_alphabetic())
            .count()
            < 5
        {
            return Identification::Abstained;
        }
        let language = if text.is_ascii() { ENGLISH } else { PORTUGUESE };
        Identification::Identified {
            language,
            probability: 0.9,
        }
    }
}

fn material() -> EvaluationMaterial {
    let question = |(index, question): (usize, &str)| Question {
        id: format!("q{index}"),
        question: question.to_owned(),
        answer: "Uma boa resposta é esta.".to_owned(),
    };
    let questions = [
        "Pergunta em português?",
        "Outra pergunta em português?",
        "Repita comigo esta pergunta, por favor?",
        "Fale sem parar!",
        "Quanto é dois mais dois?",
        "Diga nada.",
    ];
    let example = |subset, question_language, answer_language| Example {
        id: format!("{subset:?}"),
        subset,
        question_language,
        answer_language,
        question: "A question".to_owned(),
        answer: "An answer".to_owned(),
        teacher_question: None,
    };
    EvaluationMaterial {
        questions: [(
            PORTUGUESE,
            questions.into_iter().enumerate().map(question).collect(),
        )]
        .into(),
        pairs: vec![Pairs {
            source: ENGLISH,
            target: PORTUGUESE,
            pairs: vec![
                (
                    "The same sentence here.".to_owned(),
                    "The same sentence here.".to_owned(),
                ),
                (
                    "A good morning to you.".to_owned(),
                    "Um bom dia para você.".to_owned(),
                ),
                ("The end of it all.".to_owned(), "O fim de tudo.".to_owned()),
            ],
        }],
        texts: [(PORTUGUESE, vec!["ação".to_owned(), "não".to_owned()])].into(),
        examples: vec![
            example(Subset::LL, ENGLISH, ENGLISH),
            example(Subset::TL, PORTUGUESE, ENGLISH),
            example(Subset::TT, PORTUGUESE, PORTUGUESE),
        ],
        ..EvaluationMaterial::default()
    }
}

fn run(model: &Scripted, folder: &Path) -> Result<Results, EvaluateError> {
    let subject = Subject {
        answerer: model,
        scorer: Some(model),
        identifier: &Accents,
        metric: None,
    };
    let config = EvaluateConfig {
        batch_size: 2,
        ..EvaluateConfig::default()
    };
    evaluate(&subject, ENGLISH, &material(), &config, folder, &Silent)
}

fn number(results: &Results, task: &str, key: &str) -> f64 {
    results.results[task][&format!("{key},none")]
        .as_f64()
        .expect("a number")
}

fn samples(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .map(|path| {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read(&path).expect("readable"))
        })
        .collect()
}
