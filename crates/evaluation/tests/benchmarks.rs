//! Benchmarks by generation, and what is refused before any work.

use corpus::language::Language;
use corpus::progress::Silent;
use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Identification,
    LanguageIdentifier, Request,
};
use evaluation::benchmarks::{BenchmarkConfig, Scoring};
use evaluation::material::{EvaluationMaterial, MaterialPaths};
use evaluation::results::Results;
use evaluation::suite::{EvaluateConfig, EvaluateError, evaluate, read_samples};
use evaluation::task::Subject;

/// Always answers with the second choice, but nothing about lighthouses.
struct Second;

fn identity() -> EngineIdentity {
    EngineIdentity {
        engine: "second".to_owned(),
        model: "none".to_owned(),
        revision: "1".to_owned(),
        parameters: String::new(),
        licence: None,
    }
}

impl Answerer for Second {
    fn identity(&self) -> EngineIdentity {
        identity()
    }

    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        let answer = |request: &Request| Answer {
            text: match request.last().contains("farol") {
                true => "Não sei.".to_owned(),
                false => "(B)".to_owned(),
            },
            finish_reason: FinishReason::Stop,
            tokens: request.max_new_tokens.expect("a budget"),
        };
        Ok(requests.iter().map(answer).collect())
    }
}

impl LanguageIdentifier for Second {
    fn identity(&self) -> EngineIdentity {
        identity()
    }

    fn identify(&self, _: &str) -> Identification {
        Identification::Abstained
    }
}

fn belebele() -> BenchmarkConfig {
    BenchmarkConfig {
        scoring: Some(Scoring::Generation),
        ..BenchmarkConfig::new("belebele", fixtures::reference("benchmarks"))
    }
}

fn paths(benchmarks: Vec<BenchmarkConfig>) -> MaterialPaths {
    MaterialPaths {
        benchmarks,
        ..MaterialPaths::new(Language::PORTUGUESE)
    }
}

fn run(benchmarks: Vec<BenchmarkConfig>) -> Result<(Results, tempfile::TempDir), EvaluateError> {
    let material = EvaluationMaterial::load(&paths(benchmarks)).expect("the files load");
    let subject = Subject {
        answerer: &Second,
        scorer: None,
        identifier: &Second,
        metric: None,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let config = EvaluateConfig::default();
    let source = Language::PORTUGUESE;
    let results = evaluate(&subject, source, &material, &config, folder.path(), &Silent)?;
    Ok((results, folder))
}

#[test]
fn a_written_answer_counts_by_its_letter() {
    let (results, folder) = run(vec![belebele()]).expect("evaluates");
    let task = "belebele_por_Latn_generation";
    assert_eq!(results.results[task]["acc,none"], 0.25);
    assert_eq!(results.results[task]["unanswered,none"], 0.5);
    let samples = read_samples(&folder.path().join(Results::samples_file(task)));
    let labels: Vec<&str> = samples
        .iter()
        .map(|one| one.filtered_resps[0].as_str())
        .collect();
    assert_eq!(labels, ["B", "B", "", ""]);
    assert_eq!(samples[3].target, "C");
    let prompt = samples[0].doc["prompt"].as_str().expect("a prompt");
    assert!(prompt.contains("\n(B) De manhã cedo\n"), "{prompt}");
    let shown = &results.xldistill.tasks[task].presentation;
    assert_eq!(shown.title, "BELEBELE, Portuguese, written answers");
    assert_eq!(shown.asked.as_deref(), Some("prompt"));
}

#[test]
fn what_cannot_be_done_is_refused_before_any_work() {
    let scored = BenchmarkConfig {
        scoring: None,
        ..belebele()
    };
    let error = run(vec![scored]).expect_err("no scorer").to_string();
    assert!(
        error.contains("belebele_por_Latn") && error.contains("generation"),
        "{error}"
    );
    let error = run(vec![belebele(), belebele()])
        .expect_err("twice")
        .to_string();
    assert!(error.contains("evaluated twice"), "{error}");

    let refused = |change: fn(&mut BenchmarkConfig)| {
        let mut config = belebele();
        change(&mut config);
        let loaded = EvaluationMaterial::load(&paths(vec![config]));
        loaded.err().expect("an error").to_string()
    };
    let error = refused(|config| config.name = "bellybele".to_owned());
    assert!(
        error.contains("bellybele: unknown; there are belebele"),
        "{error}"
    );
    let error = refused(|config| config.shots = 4);
    assert!(error.contains("4 rows in por_Latn"), "{error}");
    let error = refused(|config| config.languages = vec![Language::ENGLISH]);
    assert!(error.contains("eng_Latn.jsonl"), "{error}");
}
