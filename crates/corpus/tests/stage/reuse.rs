//! Work that an earlier run did is not done again, unless its files or parameters changed.

use corpus::record::Instruction;
use corpus::stage::{Inputs, key};

use crate::{Upper, files, rows, run_whole};

#[test]
fn a_re_run_does_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mut rows) = (Upper::new(), rows(100));
    let first = run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!(stage.processed(), 100);

    let again = run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!((stage.processed(), &again), (0, &first), "nothing to do");

    rows[40].answer = "changed".into();
    rows.remove(3);
    rows.push(Instruction {
        id: "new".into(),
        question: "?".into(),
        answer: "new".into(),
    });
    let changed = run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!((stage.processed(), changed.results.counts.reused), (2, 98));
    let undisturbed = tempfile::tempdir().unwrap();
    run_whole(&stage, &rows, undisturbed.path()).unwrap();
    assert_eq!(files(folder.path()), files(undisturbed.path()));

    stage.processed();
    run_whole(
        &Upper {
            parameter: 2,
            ..Upper::new()
        },
        &rows,
        folder.path(),
    )
    .unwrap();
    run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!(
        stage.processed(),
        100,
        "another parameter makes every row new"
    );
}

#[test]
fn a_model_that_moved_makes_no_row_new() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mut rows) = (Upper::new(), rows(100));
    run_whole(&stage, &rows, folder.path()).unwrap();
    let moved = Upper {
        model: "/mnt/models/upper",
        ..Upper::new()
    };
    run_whole(&moved, &rows, folder.path()).unwrap();
    assert_eq!(moved.processed(), 0);
    rows.pop();
    let fewer = run_whole(&moved, &rows, folder.path()).unwrap();
    assert_eq!((moved.processed(), fewer.results.counts.reused), (0, 99));
}

#[test]
fn an_edited_file_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, rows) = (Upper::new(), rows(50));
    run_whole(&stage, &rows, folder.path()).unwrap();
    let before = files(folder.path());
    std::fs::write(
        folder.path().join("journal"),
        "left behind by a kill at the very end",
    )
    .unwrap();
    for name in before.keys() {
        let path = folder.path().join(name);
        std::fs::write(&path, before[name].replace(['1', '2', '3'], "4")).unwrap();
        run_whole(&stage, &rows, folder.path()).unwrap();
        assert_eq!(files(folder.path()), before, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn runs_that_share_a_store_share_rows() {
    let root = tempfile::tempdir().unwrap();
    let store = artefacts::Store::open(&root.path().join("store")).unwrap();
    let (stage, mut rows) = (Upper::new(), rows(100));
    let run_in = |name: &str, rows: &[Instruction]| {
        let key = key(&stage, &Inputs::rows(rows)).unwrap();
        let folder = root.path().join(name);
        let folder = store.resolve("upper", &key, &folder).unwrap();
        let manifest = run_whole(&stage, rows, &folder).unwrap();
        assert_eq!(manifest.key, key);
        (stage.processed(), manifest.results.counts.reused)
    };
    assert_eq!(run_in("first", &rows), (100, 0));
    assert_eq!(run_in("second", &rows), (0, 0), "finished by the first");
    rows[40].answer = "changed".into();
    assert_eq!(run_in("first", &rows), (1, 99));
    let read = |run: &str| std::fs::read(root.path().join(run).join("upper/rows.tsv")).unwrap();
    assert_ne!(read("first"), read("second"));
    assert_eq!(run_in("second", &rows), (0, 99), "finished by the first");
    assert_eq!(read("first"), read("second"));
}
