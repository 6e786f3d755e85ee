//! A folder in use, engines that lack something, and a translator that does not translate.

use std::fs::{self, File};

use fixtures::server::{Server, ok};
use serde_json::{Value, json};

use crate::Run;

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
fn nothing_that_is_written_tells_a_password_or_the_path_of_the_user() {
    let run = Run::new();
    let secret = run.server.url.replace("http://", "http://me:hush@") + "/v1?key=hush";
    let url = format!("answer.url={secret}");
    run.succeed(&["answer", &url]);
    run.succeed(&["report", &url, "report.paths=relative"]);
    let written = |name: &str| fs::read_to_string(run.path(name)).expect("a file");
    let config = written("run/config.toml");
    assert!(config.contains("http://[hidden]@127.0.0.1"), "{config}");
    assert!(config.contains("/v1?[hidden]"), "{config}");
    let folder = run.folder.path().display().to_string();
    for name in [
        "run/config.toml",
        "run/report.json",
        "run/report.html",
        "run/answer/manifest.json",
    ] {
        assert!(!written(name).contains("hush"), "{name}");
    }
    for name in ["run/report.json", "run/report.html"] {
        assert!(!written(name).contains(&folder), "{name}");
        assert!(written(name).contains("../first.jsonl"), "{name}");
    }
    let copied = run.xldistill(&[
        "answer",
        &url.replace("hush@", "x@").replace("me:x", "[hidden]"),
    ]);
    let said = String::from_utf8_lossy(&copied.stderr);
    assert!(
        !copied.status.success() && said.contains("put it back in place of [hidden]"),
        "{said}"
    );
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

#[test]
fn doctor_warns_of_a_translator_that_does_not_write_the_target_language() {
    let translation = |run: &Run, arguments: &[&str]| {
        let output = run.xldistill(&[&["doctor"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = said.lines();
        let line = lines.find(|line| line.contains("translation:"));
        line.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let turned = translation(&Run::new(), &[]);
    assert!(
        turned.starts_with("ok") && !turned.contains("WARNING"),
        "{turned}"
    );
    assert!(
        turned.contains("What does the first book say about number 0 of them?"),
        "{turned}"
    );

    let careless = Server::start(|_, body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let texts = request["texts"].as_array().expect("texts");
        assert_eq!(texts.len(), 3);
        let answer = "I am sorry, but I would rather answer this question in my own language.";
        ok(json!({ "translations": [answer, texts[1], ""] }).to_string())
    });
    let url = format!("translate.url={}", careless.url);
    let said = translation(&Run::new(), &[&url, "filter.min_language_probability=0.5"]);
    let warning = "WARNING: 3 of 3 translations into por_Latn are unusable \
                   (1 copied, 1 empty, 1 in English)";
    assert!(said.contains(warning), "{said}");
}
