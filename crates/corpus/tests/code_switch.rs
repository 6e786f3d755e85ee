//! Code-switching: Eq. 5 in distribution, and everything it must leave alone.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use artefacts::Place;
use corpus::code_switch::{self, CodeSwitchConfig, CodeSwitchStage, induced};
use corpus::dictionary::{BilingualDictionary, Dictionary};
use corpus::language::Language;
use corpus::progress::Silent;
use corpus::record::{CodeSwitched, TextPair, Translated};
use corpus::seam::{EngineError, EngineIdentity, Translator};
use corpus::stage::{self, Inputs, RowStage, StageOptions};

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

/// The share of question words with a translation, per target language, where the user sees it.
#[test]
fn the_manifest_says_what_the_dictionaries_cover() {
    let german = Language::with_code("deu_Latn");
    let dictionaries = BTreeMap::from([
        (PORTUGUESE, dictionary(&[("cat", "gato"), ("the", "o")])),
        (german, BilingualDictionary::default()),
    ]);
    let rows = [
        row(
            "1",
            PORTUGUESE,
            "The cat saw the cat",
            Some("O gato viu o gato"),
        ),
        row("2", PORTUGUESE, "A house", None),
        row(
            "1",
            german,
            "The cat saw the cat",
            Some("Die Katze sah die Katze"),
        ),
    ];
    let stage = CodeSwitchStage::new(dictionaries, ENGLISH, CodeSwitchConfig::default());
    let folder = tempfile::tempdir().expect("a folder");
    let inputs = Inputs::rows(&rows);
    let options = StageOptions::default();
    let manifest = stage::run(&stage, &inputs, folder.path(), &options, &Silent)
        .unwrap_or_else(|e| panic!("{e}"));
    let into = &manifest.results.details["dictionary_coverage"]["por_Latn"]["into"];
    assert_eq!(
        (&into["words"], &into["known_words"]),
        (&7.into(), &4.into())
    );
    assert_eq!(into["different_words"], 5);
    assert_eq!(into["share"], 0.5714);
    let back = &manifest.results.details["dictionary_coverage"]["por_Latn"]["from"];
    assert_eq!(
        (&back["words"], &back["known_words"]),
        (&5.into(), &4.into())
    );
    assert_eq!(
        manifest.results.details["dictionary_coverage"]["deu_Latn"]["into"]["share"],
        0.0
    );
    assert_eq!(
        code_switch::coverage_summary(&manifest),
        "dictionary of deu_Latn: 0.0 % of the question words, 0.0 % of the translated ones; \
         dictionary of por_Latn: 57.1 % of the question words, 80.0 % of the translated ones"
    );
}

/// Turns words around, and counts how often it is asked.
struct Mirror {
    asked: AtomicUsize,
    revision: &'static str,
}

impl Translator for Mirror {
    fn identity(&self) -> EngineIdentity {
        EngineIdentity {
            engine: "mirror".into(),
            model: String::new(),
            revision: self.revision.into(),
            parameters: String::new(),
            licence: None,
        }
    }

    fn translate(
        &self,
        sentences: &[String],
        _: Language,
        _: Language,
    ) -> Result<Vec<String>, EngineError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mirrored =
            |item: &String| -> String { item.trim_start_matches("1. ").chars().rev().collect() };
        Ok(sentences.iter().map(mirrored).collect())
    }
}

#[test]
fn a_dictionary_is_induced_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let translator = |revision| Mirror {
        asked: AtomicUsize::new(0),
        revision,
    };
    let rows = [row("1", PORTUGUESE, "the cat saw a house", None)];
    let place = Place::new(folder.path(), None).expect("a folder");
    let induce = |rows: &[Translated], mirror: &Mirror| {
        let inputs = Inputs::rows(rows);
        induced::dictionary(&inputs, mirror, mirror, ENGLISH, PORTUGUESE, &place)
            .unwrap_or_else(|e| panic!("{e}"))
    };
    let mirror = translator("1");
    let first = induce(&rows, &mirror);
    assert_eq!(first.source_to_target.translations("house"), ["esuoh"]);
    assert_eq!(first.target_to_source.translations("tac"), ["cat"]);
    assert_eq!(mirror.asked.load(Ordering::Relaxed), 2);
    assert_eq!(induce(&rows, &mirror), first);
    assert_eq!(mirror.asked.load(Ordering::Relaxed), 2, "read back");

    let other_model = translator("2");
    induce(&rows, &other_model);
    assert_eq!(
        other_model.asked.load(Ordering::Relaxed),
        2,
        "another model"
    );
    let other_rows = [row("1", PORTUGUESE, "a dog", None)];
    induce(&other_rows, &other_model);
    assert_eq!(
        other_model.asked.load(Ordering::Relaxed),
        4,
        "other questions"
    );

    let path = folder.path().join("induced-eng_Latn-por_Latn/pairs.tsv");
    let kept = fs::read_to_string(&path).expect("the dictionary");
    for damaged in [
        kept.replace("dog", "cog"),
        kept[..kept.len() - 3].to_owned(),
        String::new(),
    ] {
        fs::write(&path, damaged).expect("a file");
        let asked = other_model.asked.load(Ordering::Relaxed);
        let again = induce(&other_rows, &other_model);
        assert_eq!(again.source_to_target.translations("dog"), ["god"]);
        assert_eq!(
            other_model.asked.load(Ordering::Relaxed),
            asked + 2,
            "damaged"
        );
    }
    let files = fs::read_dir(path.parent().expect("its folder")).expect("the folder");
    let files = files.filter(|file| file.as_ref().expect("a file").file_name() != ".lock");
    assert_eq!(files.count(), 2, "nothing but the manifest beside it");
}
