//! The files and the manifest of one run, and the errors that stop it.

use corpus::progress::Silent;
use corpus::record::Instruction;
use corpus::rejected::Rejected;
use corpus::stage::{Inputs, StageError, StageOptions, manifest, run};

use crate::{Upper, files, rows, run_whole, upper};

#[test]
fn leaves_rows_in_order_rejections_with_reasons_and_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(300);
    let manifest = run_whole(&Upper::new(), &rows, folder.path()).unwrap();

    let outcomes: Vec<_> = rows.iter().map(upper).collect();
    let expected: Vec<_> = outcomes.iter().flat_map(|o| o.outputs.clone()).collect();
    let files = files(folder.path());
    let read = |name: &str| files[name].lines().collect::<Vec<_>>();
    let outputs: Vec<Instruction> = read("part-00000-of-00001.jsonl")
        .iter()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(outputs, expected);
    let rejected: Vec<Rejected> = read("rejected.jsonl")
        .iter()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let refused = rows
        .iter()
        .zip(&outcomes)
        .filter(|(_, o)| !o.rejections.is_empty());
    for ((row, outcome), rejected) in refused.zip(&rejected) {
        assert_eq!((&rejected.id, rejected.stage.as_str()), (&row.id, "upper"));
        assert_eq!(rejected.detail, outcome.rejections[0].detail);
        assert_eq!(
            serde_json::from_value::<Instruction>(rejected.row.clone()).unwrap(),
            *row
        );
    }
    assert_eq!(files.len(), 3, "{:?}", files.keys());

    let counts = &manifest.results.counts;
    let (q, z) = (counts.rejections["has_q"], counts.rejections["has_z"]);
    assert_eq!(rejected.len() as u64, q + z);
    assert_eq!(counts.rejections_by_field["row"]["has_q"], q);
    assert_eq!(
        (counts.rows, counts.outputs, counts.reused),
        (300, 300 - q, 0)
    );
    assert_eq!(
        (counts.rows_without_output, counts.rows_with_rejection),
        (q, q + z)
    );
    assert_eq!(corpus::stage::manifest(folder.path()).unwrap(), manifest);
    let streamed: Result<Vec<Instruction>, _> = Inputs::stage(folder.path())
        .unwrap()
        .iter()
        .unwrap()
        .collect();
    assert_eq!(streamed.unwrap(), expected);
}

#[test]
fn too_many_rejections_stop_the_stage_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, rows) = (Upper::new(), rows(400));
    let strict = StageOptions {
        max_rejected_fraction: 0.1,
        ..StageOptions::default()
    };
    let stopped = run(
        &stage,
        &Inputs::rows(&rows),
        folder.path(),
        &strict,
        &Silent,
    )
    .unwrap_err();
    let message = stopped.to_string();
    assert!(
        message.contains("more than the 10 %") && message.contains("has_z"),
        "{message}"
    );
    let named = "most by the threshold upper.max_q; see ";
    assert!(message.contains(named), "{message}");
    assert_eq!(
        stage.processed(),
        112,
        "judged after the first chunk past a hundred rows"
    );
    assert!(files(folder.path())["rejected.jsonl"].contains("has_z"));
    assert!(matches!(
        manifest(folder.path()),
        Err(StageError::Unfinished { .. })
    ));

    run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!(
        stage.processed(),
        400 - 112,
        "what was done is not done again"
    );
}

#[test]
fn no_rows_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = run_whole(&Upper::new(), &[], folder.path()).unwrap_err();
    assert!(error.to_string().contains("no rows"), "{error}");
}

#[test]
fn a_damaged_file_of_an_earlier_stage_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    run_whole(&Upper::new(), &rows(20), folder.path()).unwrap();
    let path = folder.path().join("part-00000-of-00001.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let inputs = Inputs::<Instruction>::stage(folder.path()).unwrap();
    let error_of = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let next = tempfile::tempdir().unwrap();
        run(
            &Upper::new(),
            &inputs,
            next.path(),
            &StageOptions::default(),
            &Silent,
        )
        .unwrap_err()
    };
    let third = text.lines().nth(2).unwrap();
    let broken = error_of(&text.replace(third, &third[..third.len() - 2]));
    assert!(broken.to_string().contains(".jsonl:3: "), "{broken}");
    let short = error_of(&text[..text.len() / 2]);
    assert!(matches!(short, StageError::Malformed { .. }), "{short}");
}
