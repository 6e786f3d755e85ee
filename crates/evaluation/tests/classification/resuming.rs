//! Interruptions, unchanged and changed models.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evaluation::classification::{
    ClassificationError, ClassificationResults, Contender, MT_LLM, TRANSLATE_TEST,
};

use crate::{Dictionary, Reader, contenders, files, run, sets};

fn tired(revision: &'static str, patience: usize) -> Contender<'static> {
    let words = [("good", 0), ("bad", 1), ("gut", 0)];
    Contender::new(
        &MT_LLM,
        Reader {
            patience,
            ..Reader::new(&words, revision)
        },
    )
}

#[test]
fn an_interrupted_evaluation_goes_on_and_ends_with_the_same_predictions() {
    let undisturbed = tempfile::tempdir().expect("a folder");
    let expected =
        run(vec![tired("1", usize::MAX)], &sets(), undisturbed.path()).expect("evaluates");

    let folder = tempfile::tempdir().expect("a folder");
    let mut interruptions = 0;
    let results = loop {
        match run(vec![tired("1", 1)], &sets(), folder.path()) {
            Ok(results) => break results,
            Err(ClassificationError::Engine { .. }) => interruptions += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(interruptions < 9, "every run does at least one more batch");
        if interruptions % 2 == 0 {
            // A kill while a batch is written leaves half a line.
            for (name, mut content) in files(folder.path()) {
                if name.ends_with(".unfinished") {
                    content.extend(b"{\"id\":\"2\",\"gold\"");
                    std::fs::write(folder.path().join(name), content).expect("writable");
                }
            }
        }
    };
    assert_eq!(interruptions, 4);
    let comparable = |mut results: ClassificationResults| {
        results.finished_at = 0.0;
        for set in &mut results.sets {
            set.systems
                .values_mut()
                .for_each(|scores| scores.seconds = 0.0);
        }
        results
    };
    assert_eq!(comparable(results), comparable(expected));
    let predictions = |folder| {
        let mut files = files(folder);
        files.remove(ClassificationResults::FILE);
        files
    };
    assert_eq!(predictions(folder.path()), predictions(undisturbed.path()));
}

#[test]
fn unchanged_models_are_not_asked_again_and_changed_ones_are() {
    let folder = tempfile::tempdir().expect("a folder");
    run(vec![tired("1", usize::MAX)], &sets(), folder.path()).expect("evaluates");
    let before = files(folder.path());
    run(vec![tired("1", 0)], &sets(), folder.path()).expect("reads back");
    assert_eq!(files(folder.path()), before, "nothing changed by a byte");

    let error = run(vec![tired("2", 0)], &sets(), folder.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("MT-LLM on mood, diary, eng_Latn: reader: is tired"),
        "{error}"
    );

    std::fs::write(folder.path().join("mood/diary/mt-llm/deu_Latn.jsonl"), "").expect("writable");
    let error = run(vec![tired("1", 0)], &sets(), folder.path()).unwrap_err();
    assert!(
        matches!(error, ClassificationError::Engine { .. }),
        "an edited file is not trusted"
    );
}

#[test]
fn translations_are_made_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let translations: Arc<AtomicUsize> = Arc::default();
    run(contenders(&translations), &sets(), folder.path()).expect("evaluates");
    let calls = translations.load(Ordering::SeqCst);
    assert!(calls > 0);
    // Another model reads the same translations.
    let translator = Dictionary {
        calls: Arc::clone(&translations),
    };
    let other = Contender::new(&TRANSLATE_TEST, Reader::new(&[("bad", 1)], "other"));
    let other = other.translating(Arc::new(translator), None);
    let results = run(vec![other], &sets()[1..], folder.path()).expect("evaluates");
    assert_eq!(translations.load(Ordering::SeqCst), calls);
    assert!(results.sets[0].translation.is_some());
}
