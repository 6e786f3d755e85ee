//! Several runs in one folder: shards one after another, and two at once.

use std::path::Path;
use std::sync::Mutex;

use artefacts::ArtefactError;
use corpus::progress::{Progress, Silent};
use corpus::record::Instruction;
use corpus::rejected::Rejected;
use corpus::stage::{Inputs, Shard, StageError, StageOptions, run};
use serde_json::json;

use crate::{Upper, files, rows, run_whole};

#[test]
fn shards_merge_to_the_bytes_of_one_run() {
    let whole = tempfile::tempdir().unwrap();
    let rows = rows(333);
    let rejected_at_source = [Rejected {
        id: "data.jsonl:7".into(),
        stage: "source".into(),
        field: "row".into(),
        reason: "malformed".into(),
        detail: "expected `}`".into(),
        row: json!("{\"instruction\":"),
    }];
    let stage = Upper::new();
    let inputs = Inputs::rows(&rows).with_rejected(&rejected_at_source);
    run(
        &stage,
        &inputs,
        whole.path(),
        &StageOptions::default(),
        &Silent,
    )
    .unwrap();
    assert_eq!(stage.processed(), 333);

    let folder = tempfile::tempdir().unwrap();
    for index in [2, 0, 1] {
        let shard = Shard::new(index, 4).unwrap();
        let options = StageOptions {
            shard,
            ..StageOptions::default()
        };
        run(&stage, &inputs, folder.path(), &options, &Silent).unwrap();
        assert!(matches!(
            Inputs::<Instruction>::stage(folder.path()),
            Err(StageError::Unfinished { .. })
        ));
        stage.processed();
        let again = run(&stage, &inputs, folder.path(), &options, &Silent).unwrap();
        assert_eq!((again.results.shard, stage.processed()), (shard, 0));
    }
    // The last shard's machine never came back: its rows are done by the run that merges.
    let merged = run(
        &stage,
        &inputs,
        folder.path(),
        &StageOptions::default(),
        &Silent,
    )
    .unwrap();
    let last = 333 - merged.results.counts.reused as usize;
    assert!(
        stage.processed() == last && (48..=96).contains(&last),
        "{last} rows"
    );
    assert_eq!(merged.results.counts.rejected_at_source, 1);
    assert_eq!(files(folder.path()), files(whole.path()));
}

#[test]
fn one_run_a_folder() {
    struct RunsAgain<'a>(&'a Path, Mutex<Option<StageError>>);
    impl Progress for RunsAgain<'_> {
        fn begin(&self, _: &str, _: Option<u64>) {
            let second = run_whole(&Upper::new(), &rows(10), self.0);
            *self.1.lock().unwrap() = second.err();
        }
        fn advance(&self, _: u64) {}
        fn status(&self, _: &str) {}
        fn note(&self, _: &str) {}
        fn end(&self) {}
    }
    let folder = tempfile::tempdir().unwrap();
    let progress = RunsAgain(folder.path(), Mutex::new(None));
    let rows = rows(10);
    run(
        &Upper::new(),
        &Inputs::rows(&rows),
        folder.path(),
        &StageOptions::default(),
        &progress,
    )
    .unwrap();
    let refused = progress.1.into_inner().unwrap();
    assert!(
        matches!(
            refused,
            Some(StageError::Artefact(ArtefactError::Locked { .. }))
        ),
        "{refused:?}"
    );
}
