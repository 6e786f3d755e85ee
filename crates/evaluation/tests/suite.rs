//! The evaluation suite with small deterministic models: numbers, files, resuming, reuse.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use corpus::language::Language;
use corpus::progress::Silent;
use corpus::record::{Example, Subset};
use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Identification,
    LanguageIdentifier, ScoredText, TextScorer, TokenScores,
};
use evaluation::material::{EvaluationMaterial, Pairs, Question};
use evaluation::results::Results;
use evaluation::suite::{EvaluateConfig, EvaluateError, evaluate, read_samples};
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

    fn answer(&self, questions: &[String]) -> Result<Vec<Answer>, EngineError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.patience {
            return Err(EngineError::new("scripted", "the plug was pulled"));
        }
        Ok(questions
            .iter()
            .map(|question| Answer {
                text: match self.answers.get(question) {
                    Some(answer) => answer.clone(),
                    None => question.lines().last().unwrap_or_default().to_owned(),
                },
                finish_reason: FinishReason::Stop,
                tokens: 3,
            })
            .collect())
    }
}

impl TextScorer for Scripted {
    /// ln ½ a byte for Portuguese letters, ln ¾ otherwise.
    fn score(&self, texts: &[ScoredText]) -> Result<Vec<TokenScores>, EngineError> {
        Ok(texts
            .iter()
            .map(|text| {
                let (ScoredText::Plain(text) | ScoredText::Chat { answer: text, .. }) = text;
                let probability: f32 = if text.is_ascii() { 0.75 } else { 0.5 };
                TokenScores {
                    log_probabilities: vec![probability.ln(); text.len()],
                }
            })
            .collect())
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
        weight: 1.0,
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
        skipped: Vec::new(),
    }
}

fn run(model: &Scripted, folder: &Path) -> Result<Results, EvaluateError> {
    let subject = Subject {
        answerer: model,
        scorer: Some(model),
        identifier: &Accents,
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

#[test]
fn every_answer_has_one_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");
    let task = "off_target_por_Latn";
    for key in [
        "in_language",
        "off_target",
        "copied",
        "looped",
        "abstained",
        "empty",
    ] {
        let rate = number(&results, task, key);
        assert!((rate - 100.0 / 6.0).abs() < 1e-9, "{key}: {rate}");
    }
    let record = &results.xldistill.tasks[task];
    assert_eq!(record.histogram, [("eng_Latn".to_owned(), 1)].into());
    let verdicts: Vec<String> = read_samples(&folder.path().join(Results::samples_file(task)))
        .iter()
        .map(|sample| {
            sample.observed["verdict"]
                .as_str()
                .expect("a verdict")
                .to_owned()
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            "in_language",
            "off_target",
            "copied",
            "looped",
            "abstained",
            "empty"
        ]
    );
}

#[test]
fn perplexity_and_loss_follow_the_probabilities() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");
    let close = |task: &str, key: &str, expected: f64| {
        let ours = number(&results, task, key);
        assert!((ours - expected).abs() < 1e-6, "{task} {key}: {ours}");
    };
    close("perplexity_por_Latn", "token_perplexity", 2.0);
    close("perplexity_por_Latn", "byte_perplexity", 2.0);
    close("perplexity_por_Latn", "loss", std::f64::consts::LN_2);
    close("held_out_loss_por_Latn", "loss", std::f64::consts::LN_2);
    close("held_out_loss_LL", "loss", (4.0f64 / 3.0).ln());
    close("held_out_loss_TL_por_Latn", "loss", (4.0f64 / 3.0).ln());
    let tasks: Vec<&str> = results.results.keys().map(String::as_str).collect();
    assert!(
        tasks.contains(&"translation_eng_Latn-por_Latn"),
        "{tasks:?}"
    );
    assert!(
        tasks.contains(&"translation_por_Latn-eng_Latn"),
        "{tasks:?}"
    );
    assert!(number(&results, "translation_eng_Latn-por_Latn", "chrf++") > 30.0);
}

#[test]
fn an_interrupted_evaluation_goes_on_and_ends_with_the_same_samples() {
    let undisturbed = tempfile::tempdir().expect("a folder");
    let whole = Scripted::new("1", usize::MAX);
    let expected = run(&whole, undisturbed.path()).expect("evaluates");
    let calls = whole.calls.load(Ordering::SeqCst);

    let folder = tempfile::tempdir().expect("a folder");
    let mut interruptions = 0;
    let results = loop {
        let model = Scripted::new("1", 1);
        match run(&model, folder.path()) {
            Ok(results) => break results,
            Err(EvaluateError::Engine { .. }) => interruptions += 1,
            Err(error) => panic!("{error}"),
        }
        if interruptions % 2 == 0 {
            // A kill while a batch is written leaves half a line.
            for entry in std::fs::read_dir(folder.path()).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "unfinished")
                {
                    let mut content = std::fs::read(&path).expect("readable");
                    content.extend(b"{\"doc_id\":7,\"doc\":{");
                    std::fs::write(&path, content).expect("writable");
                }
            }
        }
        assert!(
            interruptions <= calls,
            "every run does at least one more batch"
        );
    };
    assert!(interruptions > 3, "{interruptions}");
    assert_eq!(results.results, expected.results);
    assert_eq!(samples(folder.path()), samples(undisturbed.path()));
}

#[test]
fn an_unchanged_model_is_not_asked_again_and_a_changed_one_is() {
    let folder = tempfile::tempdir().expect("a folder");
    run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");
    let file = folder.path().join(Results::FILE);
    let before = std::fs::read(&file).expect("results are there");

    let same = Scripted::new("1", usize::MAX);
    run(&same, folder.path()).expect("reads back");
    assert_eq!(same.calls.load(Ordering::SeqCst), 0);
    assert_eq!(std::fs::read(&file).expect("results are there"), before);

    let trained = Scripted::new("2", usize::MAX);
    run(&trained, folder.path()).expect("evaluates");
    assert!(trained.calls.load(Ordering::SeqCst) > 0);

    // Somebody edited the samples: the task is done again, the others are not.
    let path = folder
        .path()
        .join(Results::samples_file("off_target_por_Latn"));
    std::fs::write(&path, "").expect("writable");
    let again = Scripted::new("2", usize::MAX);
    run(&again, folder.path()).expect("evaluates");
    assert_eq!(
        again.calls.load(Ordering::SeqCst),
        3,
        "six questions in batches of two"
    );
}

#[test]
fn a_model_that_cannot_score_is_evaluated_on_its_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Scripted::new("1", usize::MAX);
    let subject = Subject {
        answerer: &model,
        scorer: None,
        identifier: &Accents,
    };
    let config = EvaluateConfig::default();
    let results = evaluate(
        &subject,
        ENGLISH,
        &material(),
        &config,
        folder.path(),
        &Silent,
    )
    .expect("runs");
    assert_eq!(results.results.len(), 3, "{:?}", results.results.keys());
    assert!(results.xldistill.complete);
}

#[test]
fn two_evaluations_do_not_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = std::fs::File::create(folder.path().join(".lock")).expect("a file");
    lock.lock().expect("is free");
    let error = run(&Scripted::new("1", usize::MAX), folder.path()).expect_err("is locked");
    assert!(matches!(error, EvaluateError::Locked { .. }), "{error}");
}

/// Names a language that it does not know, as identifiers do.
struct KnowsOnlyEnglish;

impl LanguageIdentifier for KnowsOnlyEnglish {
    fn identity(&self) -> EngineIdentity {
        identity("english-only", "1")
    }

    fn knows(&self, language: Language) -> bool {
        language == ENGLISH
    }

    fn identify(&self, _: &str) -> Identification {
        Identification::Identified {
            language: ENGLISH,
            probability: 1.0,
        }
    }
}

#[test]
fn an_identifier_has_no_say_in_a_language_it_does_not_know() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Scripted::new("1", usize::MAX);
    let subject = Subject {
        answerer: &model,
        scorer: None,
        identifier: &KnowsOnlyEnglish,
    };
    let config = EvaluateConfig::default();
    let results = evaluate(
        &subject,
        ENGLISH,
        &material(),
        &config,
        folder.path(),
        &Silent,
    )
    .expect("runs");
    assert_eq!(number(&results, "off_target_por_Latn", "off_target"), 0.0);
    assert!((number(&results, "off_target_por_Latn", "abstained") - 50.0).abs() < 1e-9);
}
