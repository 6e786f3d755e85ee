//! Code-switching: Eq. 5 in distribution, and everything it must leave alone.

use std::collections::BTreeMap;

use corpus::code_switch::{CodeSwitchConfig, CodeSwitchStage};
use corpus::dictionary::{BilingualDictionary, Dictionary};
use corpus::language::Language;
use corpus::record::{CodeSwitched, TextPair, Translated};
use corpus::stage::RowStage;

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;

fn dictionary(pairs: &[(&str, &str)]) -> BilingualDictionary {
    let mut forward = Dictionary::default();
    for (word, translation) in pairs {
        assert!(forward.insert(word, translation));
    }
    BilingualDictionary::new(forward, Dictionary::default())
}

fn row(id: &str, target: Language, question: &str, translation: Option<&str>) -> Translated {
    Translated {
        id: id.into(),
        target,
        question: TextPair {
            source: question.into(),
            translation: translation.map(String::from),
        },
        answer: TextPair {
            source: "Yes.".into(),
            translation: Some("Sim.".into()),
        },
        generated: None,
    }
}

fn switch(
    dictionary: BilingualDictionary,
    target: Language,
    probability: f64,
    rows: &[Translated],
) -> Vec<CodeSwitched> {
    let config = CodeSwitchConfig {
        probability,
        seed: 7,
    };
    let stage = CodeSwitchStage::new(BTreeMap::from([(target, dictionary)]), ENGLISH, config);
    let outcomes = stage.process(rows).expect("code-switching");
    outcomes
        .into_iter()
        .flat_map(|outcome| outcome.outputs)
        .collect()
}

#[test]
fn every_known_word_is_replaced_at_probability_one() {
    let dictionary = dictionary(&[
        ("cat", "gato"),
        ("house", "casa"),
        ("is", "está"),
        ("the", "o"),
    ]);
    let rows = [row(
        "1",
        PORTUGUESE,
        "The CAT is in the House, isn't it?",
        Some("O GATO está na Casa."),
    )];
    let switched = &switch(dictionary, PORTUGUESE, 1.0, &rows)[0];
    let source = Some("O GATO está in o Casa, isn't it?".to_owned());
    let target = Some("The CAT is na House.".to_owned());
    assert_eq!(
        switched.questions,
        [source.clone(), target.clone(), source, target]
    );
    assert_eq!(switched.row, rows[0]);
}

#[test]
fn protected_text_keeps_its_words() {
    let dictionary = dictionary(&[
        ("cat", "gato"),
        ("print", "imprimir"),
        ("name", "nome"),
        ("com", "comum"),
    ]);
    let question = "cat `cat` {name} https://cat.com/cat\n```\nprint(cat)\n```\n<b>cat</b> #cat";
    let rows = [row("1", PORTUGUESE, question, None)];
    let switched = &switch(dictionary, PORTUGUESE, 1.0, &rows)[0];
    assert_eq!(
        switched.questions[0].as_deref(),
        Some("gato `cat` {name} https://cat.com/cat\n```\nprint(cat)\n```\n<b>gato</b> #cat")
    );
}

#[test]
fn rejected_translations_take_only_their_subsets() {
    let pairs = [("cat", "gato")];
    let questions = |question: Option<&str>, answer: Option<&str>, generated: Option<&str>| {
        let mut row = row("1", PORTUGUESE, "A cat", question);
        row.answer.translation = answer.map(String::from);
        row.generated = generated.map(|t| TextPair {
            source: "No.".into(),
            translation: Some(t.into()),
        });
        let switched = switch(dictionary(&pairs), PORTUGUESE, 0.0, &[row]).remove(0);
        switched.questions.map(|question| question.is_some())
    };
    assert_eq!(
        questions(Some("Um gato"), Some("Sim."), None),
        [true, true, true, true]
    );
    assert_eq!(
        questions(None, Some("Sim."), None),
        [true, false, true, false]
    );
    assert_eq!(
        questions(Some("Um gato"), None, None),
        [true, true, false, false]
    );
    assert_eq!(
        questions(Some("Um gato"), None, Some("Não.")),
        [true, true, true, true]
    );
}

#[test]
fn words_are_replaced_with_the_probability_of_the_paper() {
    let dictionary = dictionary(&[("cat", "gato"), ("cat", "gata"), ("cat", "felino")]);
    let question = vec!["cat"; 20].join(" ");
    let rows: Vec<Translated> = (0..500)
        .map(|id| row(&id.to_string(), PORTUGUESE, &question, None))
        .collect();
    let switched = switch(dictionary, PORTUGUESE, 0.15, &rows);
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for word in switched
        .iter()
        .flat_map(|row| row.questions[0].as_deref().unwrap_or("").split(' '))
    {
        *counts.entry(word).or_default() += 1.0;
    }
    let words = 10_000.0;
    // Five standard deviations of a binomial share.
    let near = |share: f64, p: f64| (share - p).abs() < 5.0 * (p * (1.0 - p) / words).sqrt();
    assert!(near(counts["cat"] / words, 0.85), "{counts:?}");
    for translation in ["gato", "gata", "felino"] {
        assert!(near(counts[translation] / words, 0.05), "{counts:?}");
    }
    // LL and LT draw apart, and a second run draws the same.
    assert!(
        switched
            .iter()
            .any(|row| row.questions[0] != row.questions[2])
    );
}

#[test]
fn draws_depend_on_the_row_alone() {
    let pairs = [("cat", "gato"), ("dog", "cachorro"), ("house", "casa")];
    let rows: Vec<Translated> = (0..50)
        .map(|id| {
            row(
                &id.to_string(),
                PORTUGUESE,
                "cat dog house cat dog house",
                Some("gato cachorro casa"),
            )
        })
        .collect();
    let all = switch(dictionary(&pairs), PORTUGUESE, 0.5, &rows);
    for (row, expected) in rows.iter().zip(&all) {
        let alone = switch(
            dictionary(&pairs),
            PORTUGUESE,
            0.5,
            std::slice::from_ref(row),
        );
        assert_eq!(&alone[0], expected);
    }
}

#[test]
fn words_without_spaces_between_them_are_replaced() {
    for (code, question, pair, expected) in [
        (
            "jpn_Jpan",
            "私は猫が好きです。",
            ("cat", "猫"),
            "私はcatが好きです。",
        ),
        ("tha_Thai", "ฉันชอบกินข้าว", ("rice", "ข้าว"), "ฉันชอบกินrice"),
        (
            "zho_Hans",
            "我喜欢学习语言",
            ("study", "学习"),
            "我喜欢study语言",
        ),
    ] {
        let target = Language::with_code(code);
        let rows = [row("1", target, "rice", Some(question))];
        let switched = switch(dictionary(&[pair]), target, 1.0, &rows);
        assert_eq!(
            switched[0].questions[1].as_deref(),
            Some(expected),
            "{code}"
        );
    }
}

#[test]
fn the_dictionary_is_part_of_the_stage_parameters() {
    let stage = |dictionary| {
        let dictionaries = BTreeMap::from([(PORTUGUESE, dictionary)]);
        CodeSwitchStage::new(dictionaries, ENGLISH, CodeSwitchConfig::default()).parameters()
    };
    assert_eq!(
        stage(dictionary(&[("cat", "gato")])),
        stage(dictionary(&[("cat", "gato")]))
    );
    assert_ne!(
        stage(dictionary(&[("cat", "gato")])),
        stage(dictionary(&[("cat", "gata")]))
    );
}
