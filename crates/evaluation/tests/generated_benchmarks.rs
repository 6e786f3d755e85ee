//! FLORES, XL-Sum, MKQA and XCOPA: published layouts, prompts, scores, and what is refused.

use std::path::Path;

use corpus::language::Language;
use corpus::progress::Silent;
use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Identification,
    LanguageIdentifier, Request, TextScorer, TokenScores,
};
use evaluation::benchmarks::BenchmarkConfig;
use evaluation::material::{EvaluationMaterial, MaterialPaths};
use evaluation::report::{Report, html, terminal};
use evaluation::results::Results;
use evaluation::suite::{EvaluateConfig, evaluate, read_samples};
use evaluation::task::{Sample, Subject};

/// Repeats the last line of the prompt; answers that start with `O` are cut off.
struct Echo;

fn identity() -> EngineIdentity {
    EngineIdentity {
        engine: "echo".to_owned(),
        model: "none".to_owned(),
        revision: "1".to_owned(),
        parameters: String::new(),
        licence: None,
    }
}

impl Answerer for Echo {
    fn identity(&self) -> EngineIdentity {
        identity()
    }

    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        let answer = |request: &Request| {
            let text = request.last().lines().last().unwrap_or_default().to_owned();
            let finish_reason = match text.starts_with('O') {
                true => FinishReason::Length,
                false => FinishReason::Stop,
            };
            Answer {
                text,
                finish_reason,
                tokens: request.max_new_tokens.expect("a budget"),
            }
        };
        Ok(requests.iter().map(answer).collect())
    }
}

/// Shorter continuations are more probable.
impl TextScorer for Echo {
    fn score(&self, requests: &[Request]) -> Result<Vec<Vec<TokenScores>>, EngineError> {
        let score = |text: &String| TokenScores {
            log_probabilities: vec![-(text.chars().count() as f32)],
        };
        let scores = requests.iter();
        Ok(scores
            .map(|one| one.continuations.iter().map(score).collect())
            .collect())
    }
}

impl LanguageIdentifier for Echo {
    fn identity(&self) -> EngineIdentity {
        identity()
    }

    fn identify(&self, _: &str) -> Identification {
        Identification::Abstained
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("writes");
}

fn paths(benchmark: BenchmarkConfig) -> MaterialPaths {
    MaterialPaths {
        targets: vec![Language::PORTUGUESE],
        benchmarks: vec![benchmark],
        ..MaterialPaths::new(Language::ENGLISH)
    }
}

/// The results, and the samples of a task.
fn run(benchmark: BenchmarkConfig, task: &str) -> (Results, Vec<Sample>) {
    let material = EvaluationMaterial::load(&paths(benchmark)).expect("the files load");
    let subject = Subject {
        answerer: &Echo,
        scorer: Some(&Echo),
        identifier: &Echo,
        metric: None,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let config = EvaluateConfig::default();
    let (english, path) = (Language::ENGLISH, folder.path());
    let results = evaluate(&subject, english, &material, &config, path, &Silent);
    let results = results.expect("evaluates");
    let samples = read_samples(&path.join(Results::samples_file(task)));
    assert!(!samples.is_empty(), "{:?}", results.results.keys());
    (results, samples)
}

fn refused(benchmark: BenchmarkConfig) -> String {
    let checked = benchmark.check(&[Language::ENGLISH, Language::PORTUGUESE]);
    let loaded = checked.and_then(|()| EvaluationMaterial::load(&paths(benchmark)).map(drop));
    loaded.expect_err("refused").to_string()
}

fn score(results: &Results, task: &str, measure: &str) -> f64 {
    results.results[task][&format!("{measure},none")]
        .as_f64()
        .expect("a score")
}

const ENGLISH: &str = "The sea is blue.\nThe house is old.\nThe train is late again today.\n";
const PORTUGUESE: &str = "O mar é azul.\nA casa é velha.\nThe train is late again today.\n";

#[test]
fn flores_is_translated_in_both_directions() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "devtest/eng_Latn.devtest", ENGLISH);
    write(folder.path(), "devtest/por_Latn.devtest", PORTUGUESE);
    let flores = || BenchmarkConfig::new("flores", folder.path().to_owned());
    let forth = "flores_eng_Latn-por_Latn";
    let (results, samples) = run(flores(), forth);
    assert_eq!(results.results.len(), 2, "{:?}", results.results.keys());
    assert_eq!(samples[0].target, "O mar é azul.");
    assert_eq!(samples[0].resps[0][0], "The sea is blue.");
    assert_eq!(samples[0].observed["tokens"], 256);
    let back = "flores_por_Latn-eng_Latn";
    assert_eq!(score(&results, forth, "cut"), 0.0);
    assert!((score(&results, back, "cut") - 1.0 / 3.0).abs() < 1e-12);
    // One sentence of three is its own translation.
    assert!(score(&results, forth, "bleu") > 10.0);
    let series = results.xldistill.tasks[back]
        .presentation
        .series
        .clone()
        .expect("a table");
    assert_eq!(
        (series.benchmark.as_str(), series.from),
        ("FLORES", Some(Language::PORTUGUESE))
    );

    let other = BenchmarkConfig {
        prompt: Some("{from}: {sentence}\n{to}:".to_owned()),
        label: Some("plain".to_owned()),
        max_new_tokens: Some(20),
        shots: 1,
        ..flores()
    };
    let (results, samples) = run(other, "flores_eng_Latn-por_Latn_plain");
    assert_eq!(samples.len(), 2);
    assert_eq!(samples[0].resps[0][0], "Portuguese:");
    assert_eq!(samples[0].observed["tokens"], 20);
    assert_eq!(results.shots["flores_eng_Latn-por_Latn_plain"], 1);
    let prompt = &results.configs["flores_eng_Latn-por_Latn_plain"]["prompt"];
    assert_eq!(prompt, "English: {sentence}\nPortuguese:");

    let error = refused(BenchmarkConfig {
        prompt: Some("Translate.".to_owned()),
        ..flores()
    });
    assert!(
        error.contains("flores: `prompt` must contain {sentence}"),
        "{error}"
    );
    let error = refused(BenchmarkConfig {
        languages: vec![Language::ENGLISH],
        ..flores()
    });
    assert!(error.contains("no rows in eng_Latn"), "{error}");
    write(folder.path(), "devtest/por_Latn.devtest", "O mar é azul.\n");
    let error = refused(flores());
    assert!(
        error.contains("has 3 sentences") && error.contains("has 1"),
        "{error}"
    );
}

#[test]
fn mkqa_reads_the_published_file_and_leaves_out_questions_without_an_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let row = |id: u32, question: &str, answers: serde_json::Value| {
        let row = serde_json::json!({
            "example_id": id, "query": question,
            "queries": { "en": question, "pt": question },
            "answers": { "en": answers, "pt": answers },
        });
        format!("{row}\n")
    };
    let text = |text: &str, aliases: &[&str]| serde_json::json!([{ "type": "entity", "text": text, "aliases": aliases }]);
    let none = serde_json::json!([{ "type": "unanswerable", "text": null }]);
    let rows = [
        row(
            1,
            "the Atlantic",
            text("Atlantic Ocean", &["The Atlantic!"]),
        ),
        row(2, "a casa azul", text("casa verde", &[])),
        row(3, "why", none),
    ];
    write(folder.path(), "mkqa.jsonl", &rows.concat());
    let mkqa = || BenchmarkConfig::new("mkqa", folder.path().to_owned());
    let (results, samples) = run(mkqa(), "mkqa_pt");
    assert_eq!(samples.len(), 2);
    assert_eq!(results.configs["mkqa_pt"]["questions_without_answer"], 1);
    // In Portuguese "a" is an article: F1 of {casa, azul} and {casa, verde} is 1/2.
    assert!((score(&results, "mkqa_pt", "f1") - 75.0).abs() < 1e-9);
    assert!((score(&results, "mkqa_pt", "em") - 50.0).abs() < 1e-9);
    // In English "the" and "a" are: {casa, azul}, too.
    assert!((score(&results, "mkqa_en", "f1") - 75.0).abs() < 1e-9);
    assert_eq!(samples[0].observed["tokens"], 32);

    write(
        folder.path(),
        "mkqa.jsonl",
        "{\"question\": \"q\", \"answer\": \"a\"}\n",
    );
    let error = refused(mkqa());
    assert!(
        error.contains("no `answers`; found the fields answer, question"),
        "{error}"
    );
    write(
        folder.path(),
        "mkqa.jsonl",
        "{\"question\": \"q\", \"answers\": [3]}\n",
    );
    let error = refused(mkqa());
    assert!(
        error.contains("must be a text or an object with `text`, not 3"),
        "{error}"
    );
}

#[test]
fn xl_sum_compares_summaries() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = "{\"id\": \"1\", \"text\": \"A ponte abriu.\", \"summary\": \"A ponte abriu ontem.\"}\n\
                {\"id\": \"2\", \"text\": \"Choveu\", \"summary\": \"Fez sol.\"}\n";
    write(folder.path(), "portuguese_test.jsonl", rows);
    let config = BenchmarkConfig {
        languages: vec![Language::PORTUGUESE],
        ..BenchmarkConfig::new("xlsum", folder.path().to_owned())
    };
    let (results, samples) = run(config, "xlsum_portuguese");
    assert_eq!(samples[0].observed["tokens"], 128);
    // 3 of 3 and 3 of 4 words; then none.
    let expected = 100.0 * (2.0 * 3.0 / 7.0) / 2.0;
    assert!((score(&results, "xlsum_portuguese", "rougeL") - expected).abs() < 1e-9);
    write(
        folder.path(),
        "portuguese_test.jsonl",
        "{\"body\": \"x\"}\n",
    );
    let error = refused(BenchmarkConfig {
        languages: vec![Language::PORTUGUESE],
        ..BenchmarkConfig::new("xlsum", folder.path().to_owned())
    });
    assert!(
        error.contains("no column `text`; there are body"),
        "{error}"
    );
}

#[test]
fn xcopa_asks_as_the_harness_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = "{\"premise\": \"Il vaso cadde.\", \"choice1\": \"Si ruppe.\", \"choice2\": \"Rimase perfettamente intatto.\", \"question\": \"effect\", \"label\": 0, \"idx\": 0}\n\
                {\"premise\": \"La strada era bagnata.\", \"choice1\": \"Era estate.\", \"choice2\": \"Era piovuto molto.\", \"question\": \"cause\", \"label\": 1, \"idx\": 1}\n";
    write(folder.path(), "data/it/test.it.jsonl", rows);
    let config = BenchmarkConfig {
        languages: vec![Language::parse("ita_Latn").expect("a language")],
        ..BenchmarkConfig::new("xcopa", folder.path().to_owned())
    };
    let (results, samples) = run(config, "xcopa_it");
    assert_eq!(samples[0].doc["prompt"], "Il vaso cadde quindi");
    assert_eq!(samples[1].doc["prompt"], "La strada era bagnata perché");
    assert_eq!(samples[0].doc["choices"][0], "si ruppe.");
    assert_eq!(score(&results, "xcopa_it", "acc"), 0.5);
}

#[test]
fn a_seed_shuffles_the_questions_and_a_limit_takes_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = (0..30).map(|n| format!("Sentence {n}.\n")).collect();
    write(folder.path(), "devtest/eng_Latn.devtest", &lines);
    write(folder.path(), "devtest/por_Latn.devtest", &lines);
    let some = |seed| BenchmarkConfig {
        seed,
        limit: Some(5),
        ..BenchmarkConfig::new("flores", folder.path().to_owned())
    };
    let targets = |seed| -> Vec<String> {
        let (_, samples) = run(some(seed), "flores_eng_Latn-por_Latn");
        samples.into_iter().map(|sample| sample.target).collect()
    };
    let in_order: Vec<String> = (0..5).map(|n| format!("Sentence {n}.")).collect();
    assert_eq!(targets(None), in_order);
    let (one, again, other) = (targets(Some(1)), targets(Some(1)), targets(Some(2)));
    assert_eq!(one, again);
    assert!(one != in_order && one != other, "{one:?} {other:?}");
}

/// Needs the public data sets.
mod with_data {
    use super::*;

    #[test]
    #[ignore = "needs the public data sets: make test-data"]
    fn published_files_are_read() {
        let japanese = Language::parse("jpn_Jpan").expect("a language");
        let load_from = |name: &str, path, languages: Vec<Language>| {
            let config = BenchmarkConfig {
                languages,
                ..BenchmarkConfig::new(name, path)
            };
            let material = EvaluationMaterial::load(&paths(config)).expect("the files load");
            assert!(material.skipped.is_empty(), "{:?}", material.skipped);
            let tasks = material.benchmarks.iter();
            tasks
                .map(|task| (task.name(), task.len()))
                .collect::<Vec<_>>()
        };
        let load = |name: &str, languages| load_from(name, fixtures::data(name), languages);
        let named = |name: &str, count| (name.to_owned(), count);
        let mkqa = load("mkqa", vec![Language::ENGLISH, japanese]);
        assert_eq!(mkqa, [named("mkqa_en", 1758), named("mkqa_ja", 1758)]);
        let flores = load("flores", vec![japanese]);
        let [forth, back] = ["flores_eng_Latn-jpn_Jpan", "flores_jpn_Jpan-eng_Latn"];
        assert_eq!(flores, [named(forth, 1012), named(back, 1012)]);
        let german = Language::parse("deu_Latn").expect("a language");
        let belebele = load("belebele", vec![Language::ENGLISH, german]);
        let [english, german_name] = ["belebele_eng_Latn", "belebele_deu_Latn"];
        assert_eq!(belebele, [named(english, 900), named(german_name, 900)]);
        let codes = ["bg", "de", "en", "es", "fr", "th", "vi"];
        let languages = codes.map(|code| Language::parse(code).expect("a language"));
        let dev = fixtures::data("xnli").join("dev-{iso}.tsv");
        let xnli = load_from("xnli", dev, languages.to_vec());
        assert_eq!(xnli, codes.map(|code| named(&format!("xnli_{code}"), 2490)));
    }
}

#[test]
fn a_report_says_by_which_tokenizer_bleu_was_computed() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "devtest/eng_Latn.devtest", ENGLISH);
    let chinese = "大海是蓝色的。\n房子很旧。\n火车今天又晚点了。\n";
    write(folder.path(), "devtest/zho_Hans.devtest", chinese);
    let benchmark = BenchmarkConfig {
        languages: vec![Language::parse("zho_Hans").expect("a language")],
        ..BenchmarkConfig::new("flores", folder.path().to_owned())
    };
    let material = EvaluationMaterial::load(&paths(benchmark)).expect("the files load");
    let subject = Subject {
        answerer: &Echo,
        scorer: Some(&Echo),
        identifier: &Echo,
        metric: None,
    };
    let (english, config) = (Language::ENGLISH, EvaluateConfig::default());
    let run = folder.path().join("run");
    for which in ["evaluate/before", "evaluate/after"] {
        let path = run.join(which);
        evaluate(&subject, english, &material, &config, &path, &Silent).expect("evaluates");
    }
    let report = Report::gather(&run).expect("a run");
    let printed = terminal::render(&report, Some(100));
    let lines = printed.lines().filter(|line| line.contains("BLEU"));
    let names: Vec<_> = lines
        .map(|line| line.trim_start().split("  ").next())
        .collect();
    assert_eq!(names, [Some("BLEU (tok:zh)"), Some("BLEU")], "{printed}");
    let page = html::page(&report);
    let shown = "FLORES, English → Simplified Chinese, BLEU: nrefs:1|case:mixed|eff:no|tok:zh|";
    assert!(page.contains(shown), "{page}");
    assert!(page.contains("FLORES, Simplified Chinese → English, chrF2++: nrefs:1|"));
}
