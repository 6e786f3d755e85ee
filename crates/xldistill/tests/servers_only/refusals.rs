//! A folder in use, and engines that lack something.

use std::fs::{self, File};

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
