//! Benchmarks on a model of this machine: the log-likelihood of every choice against Transformers
//! with lm-evaluation-harness' conventions (`reference/benchmarks`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use corpus::language::Language;
use corpus::progress::Silent;
use engines::local_llm::{LocalLlm, LocalLlmOptions};
use engines::whatlang::WhatlangIdentifier;
use evaluation::benchmarks::BenchmarkConfig;
use evaluation::material::{EvaluationMaterial, MaterialPaths};
use evaluation::results::Results;
use evaluation::suite::{EvaluateConfig, evaluate, read_samples};
use evaluation::task::Subject;

fn benchmark(name: &str, path: PathBuf, languages: &[&str], shots: usize) -> BenchmarkConfig {
    let languages = languages
        .iter()
        .map(|code| Language::parse(code).expect("a language"));
    BenchmarkConfig {
        languages: languages.collect(),
        shots,
        limit: Some(6),
        ..BenchmarkConfig::new(name, path)
    }
}

/// Evaluates the model at `path`; returns the results and the log-likelihoods of all choices.
fn run(
    path: &Path,
    benchmarks: Vec<BenchmarkConfig>,
) -> (Results, BTreeMap<String, Vec<Vec<f64>>>) {
    let llm = LocalLlm::open(path, LocalLlmOptions::default()).expect("a model");
    let paths = MaterialPaths {
        benchmarks,
        ..MaterialPaths::new(Language::ENGLISH)
    };
    let material = EvaluationMaterial::load(&paths).expect("the files load");
    let identifier = WhatlangIdentifier;
    let subject = Subject {
        answerer: &llm,
        scorer: Some(&llm),
        identifier: &identifier,
        metric: None,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let config = EvaluateConfig::default();
    let english = Language::ENGLISH;
    let results = evaluate(
        &subject,
        english,
        &material,
        &config,
        folder.path(),
        &Silent,
    )
    .expect("evaluates");
    let of_task = |task: &String| {
        let samples = read_samples(&folder.path().join(Results::samples_file(task)));
        let scores = samples.iter().map(|sample| {
            let scores = sample.observed["log_likelihoods"].clone();
            serde_json::from_value(scores).expect("numbers")
        });
        (task.clone(), scores.collect())
    };
    let scores = results.results.keys().map(of_task).collect();
    (results, scores)
}

fn expected(file: &str) -> BTreeMap<String, Vec<Vec<f64>>> {
    let path = fixtures::reference("benchmarks").join(file);
    let text = std::fs::read_to_string(path).expect("the fixture");
    serde_json::from_str(&text).expect("JSON")
}

/// Within 1e-3, or a millionth of long texts' sums.
fn assert_close(ours: &[Vec<f64>], theirs: &[Vec<f64>], task: &str) {
    assert_eq!(ours.len(), theirs.len(), "{task}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours.len(), theirs.len(), "{task}");
        for (one, other) in ours.iter().zip(theirs) {
            let tolerance = 1e-3 * (1.0 + other.abs() / 1000.0);
            assert!(
                (one - other).abs() < tolerance,
                "{task}: {one} instead of {other}"
            );
        }
    }
}

#[test]
fn choices_score_as_lm_evaluation_harness_scores_them() {
    let folder = fixtures::reference("benchmarks");
    let expected = expected("expected.json");
    let model = fixtures::reference("gguf/bpe.gguf");
    let belebele = |shots| benchmark("belebele", folder.clone(), &["por_Latn"], shots);
    let (results, scores) = run(&model, vec![belebele(0)]);
    let task = "belebele_por_Latn";
    assert_close(&scores[task], &expected[task], task);
    // The model always prefers A, which is right once.
    assert_eq!(results.results[task]["acc,none"], 0.25);
    assert_eq!(results.results[task]["acc_norm,none"], 0.25);
    let (results, scores) = run(&model, vec![belebele(1)]);
    assert_close(&scores[task], &expected["belebele_por_Latn_1"], "one shot");
    assert_eq!(results.shots[task], 1);
}

#[test]
fn clozes_score_as_lm_evaluation_harness_scores_them() {
    let path = fixtures::reference("benchmarks/xnli-{iso}.tsv");
    let expected = expected("expected.json");
    let model = fixtures::reference("gguf/bpe.gguf");
    let xnli = |languages, shots| benchmark("xnli", path.clone(), languages, shots);
    let (results, scores) = run(&model, vec![xnli(&["eng_Latn", "deu_Latn"], 0)]);
    for task in ["xnli_en", "xnli_de"] {
        assert_close(&scores[task], &expected[task], task);
    }
    // In English always "contradiction", right twice of four; in German always "entailment".
    let number = |task: &str, key: &str| results.results[task][key].as_f64().expect("a number");
    assert_eq!(number("xnli_en", "acc,none"), 0.5);
    assert!((number("xnli_en", "f1,none") - (2.0 * 2.0 / 6.0) / 3.0).abs() < 1e-12);
    assert!((number("xnli_de", "acc,none") - 1.0 / 3.0).abs() < 1e-12);
    let (_, scores) = run(&model, vec![xnli(&["eng_Latn"], 2)]);
    assert_close(&scores["xnli_en"], &expected["xnli_en_2"], "two shots");
}

/// Needs the public data sets and SmolLM2.
mod with_data {
    use super::*;

    #[test]
    #[ignore = "needs the public data sets and models of quickstart.sh: make test-data"]
    fn published_sets_on_a_real_model_score_as_transformers_does() {
        let languages = ["eng_Latn", "deu_Latn"];
        let xnli = fixtures::data("xnli").join("dev-{iso}.tsv");
        let benchmarks = vec![
            benchmark("belebele", fixtures::data("belebele"), &languages, 0),
            benchmark("xnli", xnli, &languages, 0),
        ];
        let (_, scores) = run(&fixtures::model(fixtures::SMOLLM2), benchmarks);
        let expected = expected("expected_smollm2.json");
        assert_eq!(scores.len(), expected.len());
        for (task, theirs) in &expected {
            assert_close(&scores[task], theirs, task);
        }
    }
}
