//! Answers and translations from servers, in one run and in shards.

use std::fs;

use serde_json::Value;

use crate::{Run, manifest};

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
fn a_shard_without_rows_says_so_and_what_comes_next_is_what_was_typed() {
    let run = Run::new();
    let shard = ["data.limit=40", "--shard", "0/1000"];
    let rows = "shard 0/1000 has no rows";
    let dry = run.xldistill(&[&["run", "--until", "answer", "--dry-run"], &shard[..]].concat());
    let dry = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(dry.contains(rows), "{dry}");
    let plan = run.xldistill(&["plan", "data.limit=40", "--shards", "1000"]);
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(plan.contains("of 1000 shards will have no rows"), "{plan}");

    let said = run.succeed(&[&["run", "--until", "mix"], &shard[..]].concat());
    assert!(
        said.contains(&format!("answer: {rows}: 40 rows are enough for ")),
        "{said}"
    );
    let config = run.path("config.toml");
    let merge = format!(
        "`xldistill answer {} data.limit=40` merges",
        config.display()
    );
    assert!(said.contains(&merge), "{said}");
    assert_eq!(run.requests_to("/v1/chat/completions"), 0);
}
