//! The Firefox engine: results that depend on the sentence alone, and clear errors for every
//! damaged folder.

use std::fs;
use std::path::Path;

use corpus::language::Language;
use corpus::record::{Answered, Instruction};
use corpus::seam::{QualityEstimator, Translator};
use corpus::stage::RowStage;
use corpus::text::budget::DEFAULT_PIECES;
use corpus::translate::TranslateStage;
use engines::firefox::FirefoxTranslator;
use engines::round_trip::RoundTripChrf;

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;

fn translate(translator: &FirefoxTranslator, sentences: &[&str]) -> Vec<String> {
    let sentences: Vec<String> = sentences.iter().map(|s| s.to_string()).collect();
    translator
        .translate(&sentences, ENGLISH, PORTUGUESE)
        .expect("translation")
}

/// The message of the error that loading `folder` gives.
fn refusal(folder: &Path) -> String {
    match FirefoxTranslator::load(folder) {
        Ok(_) => panic!("{} was loaded", folder.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn missing_files_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    assert!(refusal(&path.join("nowhere")).contains("cannot read the model folder"));
    assert!(refusal(path).contains("no model*.bin in this folder, which contains nothing"));
    fs::write(path.join("model.enpt.bin"), b"").expect("a file");
    assert!(refusal(path).contains("no vocab*.spm in this folder, which contains model.enpt.bin"));
    fs::write(path.join("model.ptde.bin"), b"").expect("a file");
    assert!(refusal(path).contains("both model.enpt.bin and model.ptde.bin"));
}

mod with_models {
    use super::*;
    use corpus::text::segment::Segmenter;
    use corpus::translation::translate_texts;
    use fixtures::{FIREFOX_EN_PT, FIREFOX_PT_EN, model};

    #[test]
    #[ignore = "needs models: make test-models"]
    fn translates_and_knows_its_direction() {
        let folder = model(FIREFOX_EN_PT);
        let translator = FirefoxTranslator::load(&folder).expect("a model");
        assert_eq!(translator.direction(), Some((ENGLISH, PORTUGUESE)));
        assert_eq!(
            translate(&translator, &["How are you?"]),
            ["Como você está?"]
        );
        let sentences = ["Hello".to_owned()];
        let error = translator
            .translate(&sentences, PORTUGUESE, ENGLISH)
            .expect_err("wrong way")
            .to_string();
        assert!(
            error.contains("eng_Latn to por_Latn, not por_Latn to eng_Latn"),
            "{error}"
        );
    }

    #[test]
    #[ignore = "needs models: make test-models"]
    fn letters_that_the_vocabulary_lacks_and_capitals_come_through() {
        let translator = FirefoxTranslator::load(&model(FIREFOX_EN_PT)).expect("a model");
        let unknown = translator.unknown_characters(&['é', 'ą', '你', 'К'], ENGLISH, PORTUGUESE);
        assert_eq!(unknown.expect("a vocabulary"), ['ą', '你', 'К']);
        let segmenter = Segmenter::new(ENGLISH, DEFAULT_PIECES);
        let translated = |text: &str| {
            let translations =
                translate_texts(&translator, &segmenter, &[text], ENGLISH, PORTUGUESE);
            translations
                .expect("a translation")
                .remove(0)
                .unwrap_or_default()
        };
        for (text, kept) in [
            ("In Russian, Kyiv is written Киев.", "Киев"),
            ("The mayor of Wąchock met Dvořák's grandson.", "Wąchock"),
            ("What does 你好 mean?", "你好"),
            ("The sum ∑ of all xᵢ is large.", "xᵢ"),
        ] {
            let translation = translated(text);
            assert!(translation.contains(kept), "{translation}");
            assert!(translation != text, "{translation}");
        }
        let capitals = translated("DO NOT OPEN THE WINDOW WHILE THE TRAIN IS MOVING.");
        assert_eq!(
            capitals,
            translated("Do not open the window while the train is moving.").to_uppercase()
        );
        assert!(capitals.contains("JANELA"), "{capitals}");
    }

    #[test]
    #[ignore = "needs models: make test-models"]
    fn a_translation_depends_on_its_sentence_alone() {
        let folder = model(FIREFOX_EN_PT);
        let translator = FirefoxTranslator::load(&folder).expect("a model");
        let sentences = [
            "The cat sat on the mat.",
            "A function returns a value; an expression has one.",
            "Why?",
            "The committee, which had met every Thursday since the spring, decided that nothing further could be done.",
            "Apples, pears, plums.",
            "He said \"no\" twice.",
        ];
        let alone: Vec<String> = sentences
            .iter()
            .flat_map(|s| translate(&translator, &[s]))
            .collect();
        let many: Vec<&str> = sentences.iter().cycle().take(100).copied().collect();
        for (i, translation) in translate(&translator, &many).into_iter().enumerate() {
            assert_eq!(translation, alone[i % sentences.len()]);
        }
    }

    #[test]
    #[ignore = "needs models: make test-models"]
    fn no_input_makes_it_panic() {
        let folder = model(FIREFOX_EN_PT);
        let translator = FirefoxTranslator::load(&folder).expect("a model");
        assert_eq!(
            translate(&translator, &["", "  \t", "\u{a0}"]),
            ["", "", ""]
        );
        let long_word = "a".repeat(3_000);
        let long_text = "the quick brown fox jumps over the lazy dog and ".repeat(30);
        let awkward = [
            long_word.as_str(),
            &long_text,
            "\0\u{1}\u{7f}",
            "\u{feff}\u{200b}",
            "😀😀😀",
            "ⅷ﷽㎏",
            "日本語のテキスト",
            "a\u{301}\u{301}\u{301}\u{301}",
            "\u{10ffff}",
            "<unk> </s> ▁▁",
        ];
        let translations = translate(&translator, &awkward);
        assert_eq!(translations.len(), awkward.len());
        assert!(
            translations[1].matches("raposa").count() > 15,
            "an over-long sentence lost its end"
        );
    }

    #[test]
    #[ignore = "needs models: make test-models"]
    fn protected_spans_survive_the_real_model() {
        let folder = model(FIREFOX_EN_PT);
        let translator = FirefoxTranslator::load(&folder).expect("a model");
        let question = "Dear {name}, visit https://example.com/a?b=1 or mail jane@example.com 🎉!\n\n\
                        ```\nprint('hello')\n```\n\n- Call `len(x)` on the **first** list.\n- Fill in ____ with $x^2$.";
        let row = Answered {
            instruction: Instruction {
                id: "1".into(),
                question: question.into(),
                answer: "Yes.".into(),
            },
            generated: None,
        };
        let stage = TranslateStage::new(&translator, ENGLISH, vec![PORTUGUESE], DEFAULT_PIECES);
        let outcomes = stage.process(&[row]).expect("translation");
        let translation = outcomes[0].outputs[0]
            .question
            .translation
            .clone()
            .expect("a translation");
        for span in [
            "{name}",
            "https://example.com/a?b=1",
            "jane@example.com",
            "🎉",
            "```\nprint('hello')\n```\n\n- ",
            "`len(x)`",
            "**",
            "____",
            "$x^2$",
        ] {
            assert!(
                translation.contains(span),
                "{span} is missing in {translation}"
            );
        }
        assert!(
            translation.starts_with("Caro {name}") || translation.starts_with("Querido {name}"),
            "{translation}"
        );
    }

    #[test]
    #[ignore = "needs models: make test-models"]
    fn the_way_back_tells_good_translations_from_bad_ones() {
        let folder = model(FIREFOX_PT_EN);
        let back = FirefoxTranslator::load(&folder).expect("a model");
        let estimator = RoundTripChrf::new(back);
        let source = "The children are playing in the garden behind the house.";
        let scores = estimator
            .estimate(
                &[
                    (
                        source.into(),
                        "As crianças estão brincando no jardim atrás da casa.".into(),
                    ),
                    (source.into(), "As crianças estão brincando.".into()),
                    (
                        source.into(),
                        "O banco central aumentou os juros ontem.".into(),
                    ),
                ],
                ENGLISH,
                PORTUGUESE,
            )
            .expect("scores");
        assert!(scores[0] > 0.8 && scores[0] <= 1.0, "{scores:?}");
        assert!(scores[0] > scores[1] && scores[1] > scores[2], "{scores:?}");
        assert!(scores[2] < 0.3, "{scores:?}");
    }

    #[test]
    #[ignore = "needs models: make test-models"]
    fn damaged_files_are_named_and_never_a_panic() {
        let folder = model(FIREFOX_EN_PT);
        let copy = tempfile::tempdir().expect("a folder");
        for entry in fs::read_dir(&folder).expect("the model").flatten() {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
        }
        let damage = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
            let path = copy.path().join(name);
            let whole = fs::read(&path).expect("a file");
            let mut damaged = whole.clone();
            change(&mut damaged);
            fs::write(&path, damaged).expect("a file");
            let message = refusal(copy.path());
            fs::write(&path, whole).expect("a file");
            assert!(message.contains(name), "{message}");
            message
        };
        let model = "model.enpt.intgemm.alphas.bin";
        let half = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
        assert!(damage(model, &half).contains("ends inside tensor"));
        assert!(damage(model, &|b| b.truncate(100)).contains("tensors in 100 bytes"));
        assert!(damage(model, &|b| b.clear()).contains("ends inside its header"));
        assert!(
            damage(model, &|b| *b = b"<html>not found</html>".to_vec())
                .contains("not with version")
        );
        assert!(damage(model, &|b| b[8..16].fill(0xff)).contains("it claims"));
        assert!(damage(model, &|b| b[16..24].fill(0xff)).contains("ends inside"));
        assert!(damage("vocab.enpt.spm", &half).contains("pieces, but the model has"));
        assert!(damage("vocab.enpt.spm", &|b| b.clear()).contains("0 pieces"));
        assert!(damage("lex.50.50.enpt.s2t.bin", &half).contains("truncated"));
        FirefoxTranslator::load(copy.path()).expect("the whole model again");
    }
}
