//! Dictionaries are read from every format, merged, inverted and induced.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use corpus::dictionary::coverage::{Coverage, Fit, UNBALANCED, balance};
use corpus::dictionary::induced::{pairs, vocabulary};
use corpus::dictionary::{BilingualDictionary, Dictionary};
use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;

fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).expect("a file");
    path
}

#[test]
fn muse_and_tsv_lines_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = b"# comment\ncat gato\ncat\tgata\r\n\nHouse\tcasa\tignored\nhotel hotel\ngive up\tdesistir\n\
                 one two three\nbad \xff\ndog\tuma longa definicao de cachorro\nthe\to\n";
    let loaded = Dictionary::load(&file(folder.path(), "en-pt.txt", text)).expect("a dictionary");
    assert_eq!((loaded.used, loaded.unused, loaded.malformed), (4, 3, 2));
    let dictionary = loaded.dictionary;
    assert_eq!(dictionary.translations("cat"), ["gato", "gata"]);
    assert_eq!(dictionary.translations("CAT"), ["gato", "gata"]);
    assert_eq!(dictionary.translations("house"), ["casa"]);
    assert!(dictionary.translations("hotel").is_empty());
    assert!(dictionary.translations("").is_empty());
}

#[test]
fn cells_of_several_words_are_split_and_cleaned() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "lemon\tlim\u{e3}o, lima; cidra\nriver (n)\trio (m)\ncolour, color\tcor f.\n";
    let loaded = Dictionary::load(&file(folder.path(), "a.tsv", text.as_bytes())).expect("words");
    let dictionary = loaded.dictionary;
    assert_eq!(
        dictionary.translations("lemon"),
        ["lim\u{e3}o", "lima", "cidra"]
    );
    assert_eq!(dictionary.translations("river"), ["rio"]);
    assert_eq!(dictionary.translations("colour"), ["cor"]);
    assert_eq!(dictionary.translations("color"), ["cor"]);
    let text = "\u{feff}word,translation\r\n\"lemon\",\"lim\u{e3}o, lima\"\r\n";
    let loaded = Dictionary::load(&file(folder.path(), "a.csv", text.as_bytes())).expect("words");
    assert_eq!(
        loaded.dictionary.translations("lemon"),
        ["lim\u{e3}o", "lima"]
    );
    let wide: Vec<u8> = "lemon\tlima\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let error = Dictionary::load(&file(folder.path(), "wide.tsv", &wide)).expect_err("UTF-16");
    assert!(error.to_string().contains("UTF-16LE"), "{error}");
}

#[test]
fn the_wrong_direction_and_other_languages_are_noticed() {
    let dictionary = |pairs: &[(&str, &str)]| {
        let mut dictionary = Dictionary::default();
        for (word, translation) in pairs {
            dictionary.insert(word, translation);
        }
        BilingualDictionary::new(dictionary, Dictionary::default())
    };
    let texts = ["the cat sees a river and the house of a dog"; 8];
    let fit = |pairs: &[(&str, &str)]| Fit::of(&dictionary(pairs), &texts, ENGLISH);
    let good = [
        ("cat", "gato"),
        ("river", "rio"),
        ("house", "casa"),
        ("a", "uma"),
    ];
    assert_eq!(fit(&good), Fit::Good);
    let swapped = good.map(|(word, translation)| (translation, word));
    let found = fit(&[&swapped[..], &[("a", "the")]].concat());
    assert!(matches!(found, Fit::Reversed { .. }), "{found:?}");
    let found = fit(&[("Haus", "maison"), ("Hund", "chien")]);
    assert_eq!(found, Fit::Foreign { headwords: 0.0 });
    let few = Fit::of(&dictionary(&swapped), &texts[..1], ENGLISH);
    assert_eq!(few, Fit::Good, "ten words say nothing");
}

#[test]
fn a_balance_needs_words_to_tell() {
    let coverage = |known_words, words| Coverage {
        words,
        known_words,
        ..Coverage::default()
    };
    let half = coverage(500, 1000);
    assert_eq!(balance(&half, &coverage(10, 400)), Some(0.05));
    assert_eq!(balance(&half, &coverage(200, 400)), Some(1.0));
    assert_eq!(balance(&half, &coverage(0, 39)), None, "20 are expected");
    assert_eq!(balance(&coverage(20, 40), &coverage(0, 400)), None);
    assert_eq!(balance(&coverage(10, 1000), &coverage(0, 1900)), None);
    assert_eq!(balance(&coverage(0, 1000), &coverage(0, 1900)), None);
}

fn base64(mut number: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = Vec::new();
    loop {
        digits.insert(0, ALPHABET[number % 64]);
        number /= 64;
        if number == 0 {
            return String::from_utf8(digits).expect("ASCII");
        }
    }
}

/// Writes a dictd dictionary of the entries and returns the path of its index.
fn dictd(folder: &Path, entries: &[(&str, &str)]) -> PathBuf {
    let (mut text, mut index) = (String::new(), String::new());
    for (headword, body) in entries {
        index += &format!(
            "{headword}\t{}\t{}\n",
            base64(text.len()),
            base64(body.len())
        );
        text += body;
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).expect("memory");
    file(folder, "eng-por.dict.dz", &packed.finish().expect("memory"));
    file(folder, "eng-por.index", index.as_bytes())
}

#[test]
fn dictd_entries_give_their_translations() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = dictd(
        folder.path(),
        &[
            (
                "00databaseinfo",
                "00-database-info\nAbout, this, dictionary\n",
            ),
            (
                "a",
                "a /\u{259}/ <art>\n1. primeira letra do alfabeto\n2. um, uma\n",
            ),
            (
                "bank",
                "Bank <s>\n1. banco (finance); margem [f]\n   Note: of a river\n \"a bank\" - um banco\n",
            ),
            ("give up", "give up\ndesistir\n"),
        ],
    );
    for path in [index.clone(), folder.path().join("eng-por.dict.dz")] {
        let loaded = Dictionary::load(&path).expect("a dictionary");
        assert_eq!(loaded.dictionary.translations("a"), ["um", "uma"]);
        assert_eq!(loaded.dictionary.translations("Bank"), ["banco", "margem"]);
        assert_eq!(loaded.dictionary.len(), 2);
        assert_eq!(loaded.malformed, 0);
    }
    let damaged =
        fs::read_to_string(&index).expect("the index") + "off\tzzzz\tB\nno columns\nbad\t!\t!\n";
    fs::write(&index, damaged).expect("a file");
    assert_eq!(Dictionary::load(&index).expect("a dictionary").malformed, 3);
}

#[test]
fn unreadable_dictionaries_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = |path: &Path| {
        Dictionary::load(path)
            .expect_err("no dictionary")
            .to_string()
    };
    assert!(error(&folder.path().join("none.txt")).contains("none.txt"));
    assert!(error(&file(folder.path(), "empty.txt", b"")).contains("no entry that could be used"));
    let index = file(folder.path(), "x.index", b"a\tA\tB\n");
    assert!(error(&index).contains("x.dict"));
    file(folder.path(), "x.dict.dz", b"\x1f\x8b\x08 truncated");
    assert!(error(&index).contains("not a complete gzip file"));
}

#[test]
fn a_missing_direction_is_the_inverse() {
    let mut forward = Dictionary::default();
    for (word, translation) in [("cat", "gato"), ("tomcat", "gato"), ("house", "casa")] {
        assert!(forward.insert(word, translation));
    }
    let both = BilingualDictionary::new(forward.clone(), Dictionary::default());
    assert_eq!(
        both.target_to_source.translations("gato"),
        ["cat", "tomcat"]
    );
    assert_eq!(both.source_to_target, forward);
    let mut merged = both.clone();
    merged.merge(&both);
    assert_eq!(merged, both);
    assert_ne!(both.revision(), BilingualDictionary::default().revision());
}

/// Translates by a table; what it lacks becomes a phrase, as translators do with single words.
struct Table(&'static [(&'static str, &'static str)]);

impl Translator for Table {
    fn identity(&self) -> EngineIdentity {
        EngineIdentity {
            engine: "table".into(),
            model: String::new(),
            revision: String::new(),
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
        let translate = |sentence: &String| {
            let word = sentence.trim_start_matches("1. ");
            match self.0.iter().find(|(from, _)| *from == word) {
                Some((_, to)) => format!("1. {to}."),
                None => "1. something else".to_owned(),
            }
        };
        Ok(sentences.iter().map(translate).collect())
    }
}

#[test]
fn induced_pairs_lead_back_to_their_word() {
    let words = vocabulary(["The cats sat; the cat ran. Paris!"], ENGLISH, 10);
    assert_eq!(words, ["the", "cat", "cats", "ran", "sat"]);
    let forward = Table(&[
        ("cat", "gato"),
        ("cats", "gatos"),
        ("sat", "sentou"),
        ("ran", "sentou"),
    ]);
    let backward = Table(&[("gato", "cat"), ("gatos", "cat"), ("sentou", "sat")]);
    let pairs = pairs(&forward, &backward, &words, ENGLISH, PORTUGUESE).expect("translations");
    let induced = BilingualDictionary::from_pairs(&pairs);
    assert_eq!(induced.source_to_target.translations("cat"), ["gato"]);
    assert!(induced.source_to_target.translations("ran").is_empty());
    assert!(induced.source_to_target.translations("the").is_empty());
    assert_eq!(induced.target_to_source.translations("sentou"), ["sat"]);
    let coverage = Coverage::of(
        &induced.source_to_target,
        &["The cat sat. The Cat ran"],
        ENGLISH,
    );
    assert_eq!((coverage.words, coverage.known_words), (6, 3));
    assert_eq!((coverage.distinct, coverage.known_distinct), (4, 2));
}

mod with_data {
    use super::*;

    /// Dictionaries of the target language, and of others, on sentences of FLORES.
    #[test]
    #[ignore = "needs data sets: make test-data"]
    fn a_dictionary_of_another_language_is_unbalanced() {
        let texts = |code: &str| {
            let file = fixtures::data("flores").join(format!("dev/{code}.txt"));
            fs::read_to_string(file).expect("FLORES")
        };
        let english = texts("eng_Latn");
        let english: Vec<&str> = english.lines().take(500).collect();
        let folder = fixtures::data("dictionaries");
        let languages = [
            "por_Latn", "deu_Latn", "ces_Latn", "fra_Latn", "ind_Latn", "jpn_Jpan", "fin_Latn",
            "vie_Latn",
        ];
        for (name, own) in [
            ("muse.en-pt.txt", "por_Latn"),
            ("wiktionary.eng-por.txt", "por_Latn"),
            ("freedict-eng-por.index", "por_Latn"),
            ("muse.en-de.txt", "deu_Latn"),
            ("muse.en-cs.txt", "ces_Latn"),
            ("muse.en-fr.txt", "fra_Latn"),
            ("muse.en-id.txt", "ind_Latn"),
            ("muse.en-ja.txt", "jpn_Jpan"),
            ("wiktionary.eng-khm.txt", "khm_Khmr"),
        ] {
            let loaded = Dictionary::load(&folder.join(name)).unwrap_or_else(|e| panic!("{e}"));
            let both = BilingualDictionary::new(loaded.dictionary, Dictionary::default());
            let there = Coverage::of(&both.source_to_target, &english, ENGLISH);
            for code in languages {
                let lines = texts(code);
                let lines: Vec<&str> = lines.lines().take(500).collect();
                let back = Coverage::of(&both.target_to_source, &lines, Language::with_code(code));
                let balance = balance(&there, &back).expect("enough words");
                println!("{name} on {code}: {balance:.3}");
                assert_eq!(balance > 0.5, code == own, "{name} on {code}: {balance}");
                // Romance languages share many words.
                let romance = ["por_Latn", "fra_Latn"];
                let related = romance.contains(&own) && romance.contains(&code);
                assert!(
                    code == own || related || balance < UNBALANCED,
                    "{name} on {code}: {balance}"
                );
            }
        }
    }

    /// The dictionaries people have: MUSE, Wiktionary, FreeDict.
    #[test]
    #[ignore = "needs data sets: make test-data"]
    fn real_dictionaries_are_read() {
        let folder = fixtures::data("dictionaries");
        for (name, words, word, translation) in [
            ("muse.en-pt.txt", 30_000, "house", "casa"),
            ("muse.pt-en.txt", 30_000, "casa", "house"),
            ("muse.en-ja.txt", 20_000, "school", "学校"),
            ("wiktionary.eng-por.txt", 10_000, "free", "livre"),
            ("wiktionary.eng-khm.txt", 2_000, "red", "ក្រហម"),
            ("freedict-eng-por.index", 13_000, "lottery", "rifa"),
            ("freedict-por-eng.dict.dz", 8_000, "diabo", "devil"),
        ] {
            let loaded = Dictionary::load(&folder.join(name)).unwrap_or_else(|e| panic!("{e}"));
            let dictionary = &loaded.dictionary;
            println!(
                "{name}: {} words, {} unused, {} malformed",
                dictionary.len(),
                loaded.unused,
                loaded.malformed
            );
            assert!(dictionary.len() >= words, "{name}: {}", dictionary.len());
            assert!(
                dictionary
                    .translations(word)
                    .iter()
                    .any(|t| t == translation),
                "{name}: {word}"
            );
            assert!(
                loaded.malformed * 1000 <= loaded.used,
                "{name}: {} malformed",
                loaded.malformed
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// Neither an index nor lines nor an archive of anything make the readers panic.
    #[test]
    fn no_bytes_make_the_readers_panic(
        index in prop::collection::vec(any::<u8>(), 0..200),
        columns in "([a-z]{1,4}\t[A-Za-z0-9+/]{1,12}\t[A-Za-z0-9+/]{1,12}\n){0,8}",
        text in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        file(folder.path(), "x.dict", &text);
        for index in [&index[..], columns.as_bytes()] {
            let _ = Dictionary::load(&file(folder.path(), "x.index", index));
        }
        let _ = Dictionary::load(&file(folder.path(), "x.txt", &text));
        file(folder.path(), "x.dict.dz", &text);
        let _ = Dictionary::load(&folder.path().join("x.index"));
    }
}
