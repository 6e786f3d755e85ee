//! Scores, confusion, chance, comparisons, examples and files.

use corpus::labelled::{LabelledInput, LabelledRow};
use corpus::language::Language;
use evaluation::classification::{
    ACCURACY, Contender, ENCODER_ALONE, MACRO_F1, MT_LLM, Prediction, SetResult, TaskTest,
    score_again,
};
use evaluation::significance::Resampling;

use crate::{Reader, contenders, files, rows, run, sets, test};

fn score(set: &SetResult, system: &str, key: &str) -> f64 {
    let measure = set.systems[system].measure(key);
    measure.expect("a measure").score
}

#[test]
fn each_system_is_scored_on_the_same_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = run(contenders(&Default::default()), &sets(), folder.path()).expect("evaluates");
    assert!(results.complete);
    let names: Vec<&str> = results
        .systems
        .iter()
        .map(|system| system.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["mt-llm", "encoder-alone", "llm-zero-shot", "translate-test"]
    );

    let english = &results.sets[0];
    assert_eq!(english.rows, 3, "the row with a foreign label is set aside");
    assert_eq!(english.set_aside["unheard of"], 1);
    assert_eq!(english.rejected["empty_text"], 2);
    assert!(
        !english.systems.contains_key("translate-test"),
        "English needs no translation"
    );
    assert_eq!(score(english, "mt-llm", ACCURACY), 1.0);
    assert_eq!(english.labels, ["good", "bad", "so-so"]);

    let german = &results.sets[1];
    let accuracy = |system| (6.0 * score(german, system, ACCURACY)).round() as u32;
    assert_eq!(accuracy("mt-llm"), 5);
    // All words are unknown to it; the first of equal labels is `good`, right three times.
    assert_eq!(accuracy("llm-zero-shot"), 3);
    assert_eq!(accuracy("encoder-alone"), 3);
    // `nichts` stays as it is, and is guessed wrongly; `nicht schlecht` becomes `bad`.
    assert_eq!(accuracy("translate-test"), 4);
    assert_eq!(
        german
            .translation
            .as_ref()
            .expect("translations")
            .untranslated,
        1
    );
    assert_eq!(
        german.systems["mt-llm"].confusion,
        [[2, 1, 0], [0, 3, 0], [0, 0, 0]]
    );
    // F1 of good: 2·2/(2+3); of bad: 2·3/(4+3); `so-so` does not occur.
    let f1 = (4.0 / 5.0 + 6.0 / 7.0) / 2.0;
    assert!((score(german, "mt-llm", MACRO_F1) - f1).abs() < 1e-12);
    assert_eq!(
        (
            german.chance.majority,
            german.chance.majority_label.as_str()
        ),
        (0.5, "bad")
    );
    assert!((german.chance.uniform - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn the_first_system_is_compared_with_each_other_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = run(contenders(&Default::default()), &sets(), folder.path()).expect("evaluates");
    let german = &results.sets[1];
    let compared: Vec<(&str, &str)> = german
        .comparisons
        .iter()
        .map(|one| (one.system.as_str(), one.measure.as_str()))
        .collect();
    assert_eq!(compared.len(), 6);
    assert_eq!(compared[0], ("encoder-alone", ACCURACY));
    let against_encoder = &german.comparisons[0].test;
    assert!((against_encoder.difference - 2.0 / 6.0).abs() < 1e-12);
    assert!((0.0..=1.0).contains(&against_encoder.p_value));
    let changes = german.changes.as_ref().expect("rows that differ");
    assert_eq!(changes.system, "encoder-alone");
    assert_eq!((changes.gained, changes.lost, changes.other), (3, 1, 0));
    let lost = changes
        .rows
        .iter()
        .find(|row| row.first.label != row.gold)
        .expect("one");
    let text = LabelledInput::Single {
        text: "gar nicht schlecht".to_owned(),
    };
    assert_eq!((&lost.input, lost.other.label.as_str()), (&text, "good"));
    assert!((lost.first.probability - 0.8).abs() < 1e-6);
}

#[test]
fn means_over_languages_have_intervals_and_are_paired_with_the_first_system() {
    let read = |language: &str, texts: &[(&str, usize)]| {
        let language = Language::with_code(language);
        test("mood", language, &["bad", "good"], rows(texts))
    };
    let german = [("gut", 1), ("gut", 1), ("schlecht", 0), ("unklar", 0)];
    let dutch = [("goed", 1), ("gut", 1), ("slecht", 0), ("schlecht", 0)];
    let sets = [
        read("eng_Latn", &[("good", 1), ("bad", 0)]),
        read("deu_Latn", &german),
        read("nld_Latn", &dutch),
    ];
    let of = |words: &[(&'static str, usize)], name| Reader::new(words, name);
    let both = [("gut", 0), ("schlecht", 1), ("goed", 0), ("slecht", 1)];
    let contenders = || {
        vec![
            Contender::new(&MT_LLM, of(&both, "stack")),
            Contender::new(&ENCODER_ALONE, of(&both[..2], "encoder")),
        ]
    };
    let folder = tempfile::tempdir().expect("a folder");
    let results = run(contenders(), &sets, folder.path()).expect("evaluates");
    let accuracies = results.means.iter().filter(|mean| mean.measure == ACCURACY);
    let [stack, encoder] = accuracies.collect::<Vec<_>>()[..] else {
        panic!("two systems: {:?}", results.means)
    };
    assert_eq!((stack.system.as_str(), stack.languages), ("mt-llm", 2));
    // What no word says is `good`: right for `goed`, wrong for `unklar` and `slecht`.
    assert_eq!((stack.score, encoder.score), (0.875, 0.75));
    assert!(stack.lead.is_none());
    // Drawn together, row 3 is wrong in German alone, so the mean of a resample is 1 − n/8 if that row
    // is drawn n times; the stack is n'/8 ahead if row 2 is drawn n' times.
    let grid = |value: f64| (8.0 * value - (8.0 * value).round()).abs() < 1e-9;
    let lead = encoder.lead.expect("a difference");
    assert_eq!(lead.difference, 0.125);
    assert!(grid(stack.confidence.low) && grid(lead.confidence.high));
    assert_eq!((lead.confidence.low, stack.confidence.high), (0.0, 1.0));
    assert!(!lead.is_significant());
    assert!((0.25..=0.375).contains(&lead.confidence.high), "{lead:?}");

    let again = run(contenders(), &sets, folder.path()).expect("evaluates");
    assert_eq!(again, results);
    let file = folder
        .path()
        .join("mood/diary/encoder-alone/nld_Latn.jsonl");
    let text = std::fs::read_to_string(&file).expect("predictions");
    std::fs::write(
        &file,
        text.replace("\"predicted\":\"bad\"", "\"predicted\":\"good\""),
    )
    .expect("writable");
    let worse = score_again(folder.path(), &crate::config().resampling).expect("scores");
    let lead = worse.means[1].lead.expect("a difference");
    assert_eq!(lead.difference, 0.25);
}

#[test]
fn each_task_has_a_language_of_training_of_its_own() {
    let rows = || rows(&[("gut", 1), ("schlecht", 0)]);
    let test = |source: &str, language: &str| TaskTest {
        source: Language::with_code(source),
        name: source.to_owned(),
        ..test(
            "mood",
            Language::with_code(language),
            &["bad", "good"],
            rows(),
        )
    };
    let languages = ["eng_Latn", "deu_Latn", "nld_Latn"];
    let sets: Vec<TaskTest> = ["eng_Latn", "deu_Latn"]
        .iter()
        .flat_map(|source| languages.map(|language| test(source, language)))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let results = run(contenders(&Default::default()), &sets, folder.path()).expect("evaluates");
    // Translated into the language of training, so not from it.
    let translated = results.sets.iter().filter(|set| set.translation.is_some());
    let translated: Vec<(&str, &str)> = translated
        .map(|set| (set.source.code(), set.language.code.as_str()))
        .collect();
    let expected = [
        ("eng_Latn", "deu_Latn"),
        ("eng_Latn", "nld_Latn"),
        ("deu_Latn", "eng_Latn"),
        ("deu_Latn", "nld_Latn"),
    ];
    assert_eq!(translated, expected);
    // German rows read as English: the mean of the task that was trained in German has them.
    let means = results.means.iter().filter(|mean| mean.system == "mt-llm");
    let means: Vec<(&str, usize)> = means
        .map(|mean| (mean.name.as_str(), mean.languages))
        .collect();
    let of = |source| [(source, 2); 2];
    assert_eq!(means, [of("eng_Latn"), of("deu_Latn")].concat());
}

#[test]
fn a_question_that_cannot_be_read_counts_as_wrong() {
    let question = |choices: &[&str], label: usize| LabelledRow {
        id: label.to_string(),
        input: LabelledInput::Choices {
            passage: "The sea is wide.".to_owned(),
            question: "What is wide, the sea?".to_owned(),
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        },
        label,
    };
    let rows = vec![
        question(&["a ship", "the sea"], 1),
        question(&[Reader::UNREADABLE, "the sea"], 0),
    ];
    let sets = [test("quiz", Language::ENGLISH, &["1", "2"], rows)];
    let folder = tempfile::tempdir().expect("a folder");
    let stack = || vec![Contender::new(&MT_LLM, Reader::new(&[], "stack"))];
    let results = run(stack(), &sets, folder.path()).expect("evaluates");
    let set = &results.sets[0];
    assert_eq!(score(set, "mt-llm", ACCURACY), 0.5);
    assert_eq!((set.rows, set.systems["mt-llm"].unread), (2, 1));
    assert_eq!(set.systems["mt-llm"].confusion, [[0, 0], [0, 1]]);
    assert_eq!(
        run(stack(), &sets, folder.path()).expect("evaluates"),
        results
    );
    let again = score_again(folder.path(), &crate::config().resampling).expect("scores");
    assert_eq!(again, results);
}

#[test]
fn predictions_are_kept_and_can_be_scored_again_without_a_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = run(contenders(&Default::default()), &sets(), folder.path()).expect("evaluates");
    let names: Vec<String> = files(folder.path()).into_keys().collect();
    let expected = [
        "classification.json",
        "mood/diary/encoder-alone/deu_Latn.jsonl",
        "mood/diary/encoder-alone/eng_Latn.jsonl",
        "mood/diary/llm-zero-shot/deu_Latn.jsonl",
        "mood/diary/llm-zero-shot/eng_Latn.jsonl",
        "mood/diary/mt-llm/deu_Latn.jsonl",
        "mood/diary/mt-llm/eng_Latn.jsonl",
        "mood/diary/translate-test/deu_Latn.jsonl",
        "mood/diary/translations/deu_Latn.jsonl",
    ];
    assert_eq!(names, expected);
    let path = folder.path().join("mood/diary/mt-llm/deu_Latn.jsonl");
    let text = std::fs::read_to_string(&path).expect("predictions");
    let first: Prediction =
        serde_json::from_str(text.lines().next().expect("a row")).expect("a row");
    assert_eq!((first.id.as_str(), first.gold.as_str()), ("0", "good"));
    assert!((first.probabilities.values().sum::<f32>() - 1.0).abs() < 1e-6);

    let same = score_again(folder.path(), &crate::config().resampling).expect("scores");
    assert_eq!(same, results);
    let corrected = text.replace("\"predicted\":\"bad\"", "\"predicted\":\"good\"");
    std::fs::write(&path, corrected).expect("writable");
    let again = score_again(folder.path(), &Resampling::default()).expect("scores");
    assert_eq!(score(&again.sets[1], "mt-llm", ACCURACY), 0.5);
    std::fs::remove_file(&path).expect("is there");
    let error = score_again(folder.path(), &Resampling::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("mt-llm/deu_Latn.jsonl: no predictions"),
        "{error}"
    );
}

#[test]
fn choices_are_predicted_by_their_numbers() {
    let question = |question: &str, choices: &[&str], label| LabelledRow {
        id: question.to_owned(),
        input: LabelledInput::Choices {
            passage: "A passage.".to_owned(),
            question: question.to_owned(),
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        },
        label,
    };
    let rows = vec![
        question("Is it red?", &["blue", "red", "green", "grey"], 1),
        question("Is it two?", &["one", "two"], 0),
    ];
    let quiz = test("quiz", Language::ENGLISH, &["1", "2", "3", "4"], rows);
    let folder = tempfile::tempdir().expect("a folder");
    let contender = Contender::new(&MT_LLM, Reader::new(&[], "1"));
    let results = run(vec![contender], &[quiz], folder.path()).expect("evaluates");
    let set = &results.sets[0];
    assert_eq!(set.labels, ["1", "2", "3", "4"]);
    assert_eq!(score(set, "mt-llm", ACCURACY), 0.5);
    assert_eq!(set.chance.uniform, (0.25 + 0.5) / 2.0);
    assert!(set.comparisons.is_empty() && set.changes.is_none());
}
