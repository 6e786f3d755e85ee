//! Runs whose LLM and translator are servers, down to the transfer set: shards, the shared cache,
//! decontamination, and the run's folder while another run holds it. Needs no model.

#[allow(dead_code)]
#[path = "../../engines/tests/servers/server.rs"]
mod server;

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use server::{Reply, Server, ok};

const PASSAGE: &str =
    "The Sun doesn't have a crust like the Earth that you can stand on because it is made of gas.";

/// Answers questions with a sentence of their own, and translates by turning words around.
fn reply(body: &str) -> Reply {
    let request: Value = serde_json::from_str(body).expect("JSON");
    match request.get("texts") {
        Some(texts) => {
            let turned = |text: &Value| -> String {
                let word = |word: &str| word.chars().rev().collect::<String>();
                let words = text.as_str().expect("a text").split(' ').map(word);
                words.collect::<Vec<_>>().join(" ")
            };
            let texts = texts.as_array().expect("texts").iter();
            let translations: Vec<String> = texts.map(turned).collect();
            ok(json!({ "translations": translations }).to_string())
        }
        None => {
            let question = request["messages"][0]["content"]
                .as_str()
                .expect("a question");
            let answer = format!("You asked me: {question}");
            ok(json!({ "choices": [{ "message": { "content": answer }, "finish_reason": "stop" }] }).to_string())
        }
    }
}

/// A folder with a config, its data and a server.
struct Run {
    folder: tempfile::TempDir,
    server: Server,
}

impl Run {
    fn new() -> Run {
        let folder = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, text: String| fs::write(folder.path().join(name), text).expect("writes");
        let rows = |name: &str, count: usize| -> String {
            (0..count)
                .map(|n| {
                    let question =
                        format!("What does the {name} book say about number {n} of them?");
                    let answer = format!("It says that {n} is a fine number.");
                    format!(
                        "{}\n",
                        json!({ "id": n.to_string(), "question": question, "answer": answer })
                    )
                })
                .collect()
        };
        write("first.jsonl", rows("first", 60));
        let contaminated = json!({ "id": "sun", "question": format!("Explain: {PASSAGE}"), "answer": "It is gas." });
        write(
            "second.jsonl",
            format!("{}{contaminated}\n", rows("second", 60)),
        );
        write(
            "belebele.jsonl",
            format!("{}\n", json!({ "flores_passage": PASSAGE })),
        );
        write("parallel.tsv", "One house.\tUma casa.\nTwo houses.\tDuas casas.\nThree red houses.\tTrês casas vermelhas.\n".into());
        let server = Server::start(|_, body| reply(body));
        let url = &server.url;
        write(
            "config.toml",
            format!(
                r#"
model = "unused.gguf"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["first.jsonl", "second.jsonl"]
parallel.por_Latn = "parallel.tsv"
[answer]
engine = "openai"
url = "{url}"
server_model = "stand-in"
in_flight = 4
[translate]
engine = "http"
url = "{url}"
cache = "cache.sqlite"
[identify]
engine = "whatlang"
[estimate_quality]
engine = "none"
[filter]
min_language_probability = 1.1
[code_switch]
probability = 0
[decontaminate]
against = ["belebele.jsonl"]
"#
            ),
        );
        Run { folder, server }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn xldistill(&self, arguments: &[&str]) -> Output {
        let config = self.path("config.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_xldistill"));
        command.arg(arguments[0]).arg(&config).args(&arguments[1..]);
        command
            .env_remove("OPENAI_API_KEY")
            .output()
            .expect("it runs")
    }

    /// Runs and returns what was said on standard error.
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.xldistill(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    fn requests_to(&self, path: &str) -> usize {
        let start = format!("POST {path} ");
        self.server
            .requests()
            .iter()
            .filter(|request| request.starts_with(&start))
            .count()
    }
}

fn manifest(folder: &Path) -> Value {
    let json = fs::read(folder.join("manifest.json")).expect("a finished stage");
    serde_json::from_slice(&json).expect("JSON")
}

#[test]
fn servers_answer_and_translate_and_the_cache_serves_the_next_run() {
    let run = Run::new();
    run.succeed(&["run", "--until", "mix"]);
    assert_eq!(run.requests_to("/v1/chat/completions"), 121);
    let translations = run.requests_to("/translate");
    assert!(translations > 5, "{translations}");

    let answered =
        fs::read_to_string(run.path("run/answer/part-00000-of-00001.jsonl")).expect("rows");
    let mut ids: Vec<String> = answered
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("JSON")["id"]
                .as_str()
                .expect("an id")
                .to_owned()
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 121, "ids that two files share are told apart");
    let mix = manifest(&run.path("run/mix"));
    assert_eq!(mix["counts"]["rejections"]["contaminated"], 1);
    assert_eq!(mix["counts"]["rows_without_output"], 1);
    for part in ["mix/part-00000-of-00001.jsonl", "mix/held_out.jsonl"] {
        let text = fs::read_to_string(run.path("run").join(part)).expect("rows");
        assert!(!text.contains("doesn't have a crust"), "{part}");
    }

    // The same translations in another folder come from the cache.
    let other = format!("output={}", run.path("other").display());
    run.succeed(&["run", "--until", "mix", &other]);
    assert_eq!(run.requests_to("/translate"), translations);
    let transfer_set = |folder: &str| {
        fs::read(run.path(folder).join("mix/part-00000-of-00001.jsonl")).expect("rows")
    };
    assert_eq!(transfer_set("run"), transfer_set("other"));
}

#[test]
fn a_shard_says_what_comes_after_it() {
    let run = Run::new();
    let said = run.succeed(&["run", "--until", "mix", "--shard", "0/2"]);
    assert!(
        said.contains("shard 0/2 of answer is done. Once all 2 are, `xldistill answer"),
        "{said}"
    );
    assert!(
        said.contains("then this command with --shard 0/2 does the next stage"),
        "{said}"
    );
    run.succeed(&["run", "--until", "mix", "--shard", "1/2"]);
    run.succeed(&["answer"]);
    for shard in ["0/2", "1/2"] {
        let said = run.succeed(&["run", "--until", "mix", "--shard", shard]);
        assert!(
            said.contains(&format!("shard {shard} of translate is done")),
            "{said}"
        );
    }
    assert_eq!(
        run.requests_to("/v1/chat/completions"),
        121,
        "no answer was asked for twice"
    );
    run.succeed(&["run", "--until", "mix"]);
    let said = run.succeed(&["run", "--until", "mix", "--shard", "0/2"]);
    assert!(said.contains("--from mix"), "{said}");

    let whole = Run::new();
    whole.succeed(&["run", "--until", "mix"]);
    let rows = |run: &Run, stage: &str| {
        fs::read(
            run.path("run")
                .join(stage)
                .join("part-00000-of-00001.jsonl"),
        )
        .expect("rows")
    };
    for stage in ["answer", "translate", "filter", "mix"] {
        assert!(rows(&run, stage) == rows(&whole, stage), "{stage}");
    }
}

#[test]
fn a_run_that_is_refused_leaves_the_config_of_the_one_that_works() {
    let run = Run::new();
    run.succeed(&["answer"]);
    let before = fs::read_to_string(run.path("run/config.toml")).expect("the config");
    let lock = File::open(run.path("run/answer/.lock")).expect("the lock");
    lock.lock().expect("nobody else has it");
    let output = run.xldistill(&["answer", "seed=7"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("another run is using"),
        "{said}"
    );
    assert_eq!(
        fs::read_to_string(run.path("run/config.toml")).expect("the config"),
        before
    );
    drop(lock);
    run.succeed(&["answer", "seed=7"]);
    assert_ne!(
        fs::read_to_string(run.path("run/config.toml")).expect("the config"),
        before
    );
}

#[test]
fn calibrate_says_what_scores_mean_and_a_quantile_uses_it() {
    let run = Run::new();
    let engine = [
        "estimate_quality.engine=round-trip",
        "evaluate.pairs.por_Latn=parallel.tsv",
    ];
    let output = run.xldistill(&[&["calibrate", "--json"][..], &engine].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let direction = &report["directions"][0];
    assert_eq!(
        (&direction["to"], &direction["pairs"]),
        (&json!("por_Latn"), &json!(3))
    );
    assert_eq!(direction["configured"]["min_quality"], 0.4);
    let scores: Vec<f64> = direction["quantiles"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|quantile| quantile["score"].as_f64().expect("a score"))
        .collect();
    assert!(scores.is_sorted() && scores.len() == 7, "{scores:?}");
    let table = run.xldistill(&[&["calibrate"][..], &engine].concat());
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(
        table.contains("3 human translations") && table.contains("this config"),
        "{table}"
    );

    run.succeed(
        &[
            &[
                "run",
                "--until",
                "filter",
                "filter.min_quality={quantile=0.5}",
            ][..],
            &engine,
        ]
        .concat(),
    );
    let calibrated = &manifest(&run.path("run/filter"))["parameters"]["calibrated"];
    let median = scores[4];
    assert_eq!(
        calibrated["por_Latn"].as_f64(),
        Some(median),
        "{calibrated}"
    );
    assert!(run.path("run/calibration-eng_Latn-por_Latn.json").is_file());
}

#[test]
fn what_an_engine_lacks_is_named_before_anything_begins() {
    let run = Run::new();
    for (overrides, expected) in [
        (
            &["translate.engine=firefox"][..],
            "translate.models: no model into por_Latn",
        ),
        (
            &["translate.engine=openai"],
            "translate.server_model: name the model",
        ),
        (
            &[
                "translate.engine=llm",
                "translate.examples=2",
                "data.parallel={}",
            ],
            "data.parallel",
        ),
        (&["filter.min_quality={quantile=0.1}"], "evaluate.pairs"),
        (
            &[
                "filter.min_quality={quantile=1.5}",
                "evaluate.pairs.por_Latn=parallel.tsv",
            ],
            "1.5",
        ),
        (&["decontaminate.words=0"], "at least 1"),
    ] {
        let output = run.xldistill(&[&["run"], overrides].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && said.contains(expected),
            "{overrides:?}: {said}"
        );
    }
    let output = run.xldistill(&[
        "run",
        "--until",
        "answer",
        "answer.url=http://127.0.0.1:9",
        "answer.retries=0",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("http://127.0.0.1:9/v1/chat/completions cannot be reached"),
        "{said}"
    );
}
