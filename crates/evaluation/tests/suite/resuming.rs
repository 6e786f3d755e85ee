//! Interruptions, unchanged and changed models, and a folder in use.

use std::sync::atomic::Ordering;

use artefacts::ArtefactError;
use evaluation::results::Results;
use evaluation::suite::EvaluateError;

use crate::{Scripted, run, samples};

#[test]
fn an_interrupted_evaluation_goes_on_and_ends_with_the_same_samples() {
    let undisturbed = tempfile::tempdir().expect("a folder");
    let whole = Scripted::new("1", usize::MAX);
    let expected = run(&whole, undisturbed.path()).expect("evaluates");
    let calls = whole.calls.load(Ordering::SeqCst);

    let folder = tempfile::tempdir().expect("a folder");
    let mut interruptions = 0;
    let results = loop {
        let model = Scripted::new("1", 1);
        match run(&model, folder.path()) {
            Ok(results) => break results,
            Err(EvaluateError::Engine { .. }) => interruptions += 1,
            Err(error) => panic!("{error}"),
        }
        if interruptions % 2 == 0 {
            // A kill while a batch is written leaves half a line.
            for entry in std::fs::read_dir(folder.path()).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "unfinished")
                {
                    let mut content = std::fs::read(&path).expect("readable");
                    content.extend(b"{\"doc_id\":7,\"doc\":{");
                    std::fs::write(&path, content).expect("writable");
                }
            }
        }
        assert!(
            interruptions <= calls,
            "every run does at least one more batch"
        );
    };
    assert!(interruptions > 3, "{interruptions}");
    assert_eq!(results.results, expected.results);
    assert_eq!(samples(folder.path()), samples(undisturbed.path()));
}

#[test]
fn an_unchanged_model_is_not_asked_again_and_a_changed_one_is() {
    let folder = tempfile::tempdir().expect("a folder");
    run(&Scripted::new("1", usize::MAX), folder.path()).expect("evaluates");
    let file = folder.path().join(Results::FILE);
    let before = std::fs::read(&file).expect("results are there");

    let same = Scripted::new("1", usize::MAX);
    run(&same, folder.path()).expect("reads back");
    assert_eq!(same.calls.load(Ordering::SeqCst), 0);
    assert_eq!(std::fs::read(&file).expect("results are there"), before);

    let trained = Scripted::new("2", usize::MAX);
    run(&trained, folder.path()).expect("evaluates");
    assert!(trained.calls.load(Ordering::SeqCst) > 0);

    // Somebody edited the samples: the task is done again, the others are not.
    let path = folder
        .path()
        .join(Results::samples_file("off_target_por_Latn"));
    std::fs::write(&path, "").expect("writable");
    let again = Scripted::new("2", usize::MAX);
    run(&again, folder.path()).expect("evaluates");
    assert_eq!(
        again.calls.load(Ordering::SeqCst),
        3,
        "six questions in batches of two"
    );
}

#[test]
fn two_evaluations_do_not_share_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let _lock = artefacts::Lock::whole(folder.path()).expect("is free");
    let error = run(&Scripted::new("1", usize::MAX), folder.path()).expect_err("is locked");
    let is_locked = matches!(error, EvaluateError::Artefact(ArtefactError::Locked { .. }));
    assert!(is_locked, "{error}");
}
