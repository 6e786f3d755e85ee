//! Instructions made backwards, with stand-ins for translator, LLM and identifier.

use std::sync::Mutex;

use corpus::filter::{FilterConfig, FilterStage};
use corpus::language::Language;
use corpus::progress::Silent;
use corpus::record::{BackTranslated, Instructed, Passage, Translated};
use corpus::reverse_instructions::{
    DEFAULT_PROMPT, Fit, InstructStage, NativeStage, PassageStage, SolvedExample, Writing,
};
use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Identification,
    LanguageIdentifier, Request, TextScorer, TokenScores, Translator,
};
use corpus::stage::{Inputs, Outcome, RowStage, StageOptions, run};

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;
const GERMAN: Language = Language::with_code("deu_Latn");
const PIECES: usize = 100;

fn identity(engine: &str) -> EngineIdentity {
    EngineIdentity {
        engine: engine.into(),
        model: String::new(),
        revision: String::new(),
        parameters: String::new(),
        licence: None,
    }
}

/// Writes down the direction and repeats the sentence in small or capital letters; some sentences
/// it loses or repeats.
struct Marking;

impl Translator for Marking {
    fn identity(&self) -> EngineIdentity {
        identity("marking")
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        let translate = |sentence: &String| match sentence.as_str() {
            lost if lost.contains("perdida") => String::new(),
            looped if looped.contains("gira") => "so it turns and turns ".repeat(12),
            other => format!("{} {} {other}", from.iso639_3(), to.iso639_3()),
        };
        Ok(sentences.iter().map(translate).collect())
    }
}

/// Answers as it was told to, and remembers what it was asked.
struct Told {
    answers: Vec<(&'static str, FinishReason)>,
    asked: Mutex<Vec<Request>>,
}

impl Told {
    fn new(answers: &[(&'static str, FinishReason)]) -> Told {
        Told {
            answers: answers.to_vec(),
            asked: Mutex::default(),
        }
    }
}

impl Answerer for Told {
    fn identity(&self) -> EngineIdentity {
        identity("told")
    }

    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        self.asked.lock().unwrap().extend_from_slice(requests);
        let answers = self.answers.iter();
        let answers = answers.map(|(text, finish_reason)| Answer {
            text: (*text).to_owned(),
            finish_reason: *finish_reason,
            tokens: 8,
        });
        Ok(answers.take(requests.len()).collect())
    }
}

/// Takes text with `ich` for German.
struct Keyword;

impl LanguageIdentifier for Keyword {
    fn identity(&self) -> EngineIdentity {
        identity("keyword")
    }

    fn identify(&self, text: &str) -> Identification {
        match text.contains(" ich ") {
            true => Identification::Identified {
                language: GERMAN,
                probability: 0.99,
            },
            false => Identification::Abstained,
        }
    }
}

fn passage(target: Language, text: &str) -> Passage {
    Passage::new(target, text.to_owned())
}

fn reasons<T>(outcomes: &[Outcome<T>]) -> Vec<Option<(&str, &str)>> {
    let reason = |outcome: &Outcome<T>| {
        assert_eq!(outcome.outputs.is_empty(), !outcome.rejections.is_empty());
        let rejection = outcome.rejections.first()?;
        assert!(!rejection.detail.is_empty());
        Some((rejection.field, rejection.reason))
    };
    outcomes.iter().map(reason).collect()
}

#[test]
fn passages_are_translated_from_their_languages_and_stay_as_they_are() {
    let text = "O rio corre.\n\n\t– Devagar, para o mar!";
    let rows = [
        passage(PORTUGUESE, text),
        passage(PORTUGUESE, "Uma frase. Outra perdida."),
        passage(PORTUGUESE, "A roda gira."),
        passage(PORTUGUESE, &"e assim vai a vida ".repeat(12)),
        passage(GERMAN, "Der Fluss ist lang."),
    ];
    let stage = PassageStage::new(&Marking, ENGLISH, PIECES);
    let outcomes = stage.process(&rows).unwrap();
    assert_eq!(
        reasons(&outcomes),
        [
            None,
            Some(("translation", "empty_translation")),
            Some(("translation", "repetition")),
            Some(("passage", "looping")),
            None
        ]
    );
    let kept = &outcomes[0].outputs[0];
    assert_eq!((&kept.id, kept.passage.as_str()), (&rows[0].id, text));
    assert_eq!(
        kept.translation,
        "por eng O rio corre.\n\n\t– por eng Devagar, para o mar!"
    );
    let german = &outcomes[4].outputs[0];
    assert_eq!(german.translation, "deu eng Der Fluss ist lang.");
}

fn writing() -> Writing {
    Writing {
        prompt: "For which instruction? {text}".into(),
        examples: vec![SolvedExample {
            text: "Trim the stems.".into(),
            instruction: "Explain how to keep basil.".into(),
        }],
        max_copied_words: 4,
    }
}

fn back_translated(translation: &str) -> BackTranslated {
    BackTranslated {
        id: translation.into(),
        target: PORTUGUESE,
        passage: format!("({translation})"),
        translation: translation.into(),
    }
}

#[test]
fn the_llm_is_shown_solved_examples_and_its_instructions_are_judged() {
    use FinishReason::{Length, Stop};
    let told = Told::new(&[
        ("Instruction: \"Describe the river.\"\n", Stop),
        ("  ", Stop),
        ("Describe the", Length),
        ("Explain how to keep basil.", Stop),
        ("Say why the river runs slowly to the sea.", Stop),
        ("Instruction:", Stop),
        (
            "Describe it. Describe it. Describe it. Describe it. Describe it.",
            Length,
        ),
    ]);
    let rows: Vec<BackTranslated> = (0..7)
        .map(|n| back_translated(&format!("{n}: The River runs slowly to the sea.")))
        .collect();
    let stage = InstructStage::new(&told, 4, ENGLISH, writing());
    let outcomes = stage.process(&rows).unwrap();
    assert_eq!(
        reasons(&outcomes),
        [
            None,
            Some(("instruction", "empty")),
            Some(("instruction", "cut_off")),
            Some(("instruction", "copied_example")),
            Some(("instruction", "copied_stretch")),
            Some(("instruction", "empty")),
            Some(("instruction", "looping"))
        ]
    );
    assert_eq!(
        outcomes[0].outputs,
        [Instructed {
            id: rows[0].id.clone(),
            target: PORTUGUESE,
            passage: rows[0].passage.clone(),
            translation: rows[0].translation.clone(),
            instruction: "Describe the river.".into(),
            fit: None,
        }]
    );
    let solved = (
        "For which instruction? Trim the stems.".to_owned(),
        "Explain how to keep basil.".to_owned(),
    );
    let question = "For which instruction? 0: The River runs slowly to the sea.";
    assert_eq!(
        told.asked.lock().unwrap()[0],
        Request::few_shot([solved], question)
    );
}

/// Gives each token of a text a log-probability of -2, and of -1.5 if the question has a word of it.
struct Knowing;

impl TextScorer for Knowing {
    fn score(&self, requests: &[Request]) -> Result<Vec<Vec<TokenScores>>, EngineError> {
        let score = |request: &Request| {
            let text = &request.continuations[0];
            let mut words = request
                .last()
                .split([' ', '.'])
                .filter(|word| word.len() > 4);
            let each = match words.any(|word| text.contains(word)) {
                true => -1.5,
                false => -2.0,
            };
            let log_probabilities = text.split(' ').map(|_| each).collect();
            vec![TokenScores { log_probabilities }]
        };
        Ok(requests.iter().map(score).collect())
    }
}

#[test]
fn an_instruction_that_makes_its_text_no_more_probable_does_not_fit() {
    let told = Told::new(&[
        ("Describe the river.", FinishReason::Stop),
        ("Describe the moon.", FinishReason::Stop),
        ("", FinishReason::Stop),
    ]);
    let rows: Vec<BackTranslated> = (0..3)
        .map(|n| back_translated(&format!("{n}: A river runs slowly to the sea.")))
        .collect();
    let stage = |min| {
        let fit = Fit::new(&Knowing, "Write a text.".into(), min);
        InstructStage::new(&told, 4, ENGLISH, writing()).with_fit(fit)
    };
    let outcomes = stage(0.05).process(&rows).unwrap();
    assert_eq!(
        reasons(&outcomes),
        [
            None,
            Some(("instruction", "poor_fit")),
            Some(("instruction", "empty"))
        ]
    );
    assert_eq!(outcomes[0].outputs[0].fit, Some(0.5));
    assert_eq!(
        outcomes[1].rejections[0].detail,
        "0 is below 0.05: Describe the moon."
    );
    let lenient = stage(-10.0).process(&rows).unwrap();
    assert_eq!(lenient[1].outputs[0].fit, Some(0.0));
    assert_ne!(stage(0.05).parameters(), stage(-10.0).parameters());
}

#[test]
fn a_copy_as_long_as_a_title_passes() {
    let told = Told::new(&[("Describe how The River runs slowly.", FinishReason::Stop)]);
    let rows = [back_translated("The River runs slowly to the sea.")];
    let stage = InstructStage::new(&told, 4, ENGLISH, writing());
    assert_eq!(reasons(&stage.process(&rows).unwrap()), [None]);
}

#[test]
fn the_prompt_and_the_examples_are_part_of_the_key() {
    let told = Told::new(&[]);
    let parameters =
        |writing| RowStage::parameters(&InstructStage::new(&told, 4, ENGLISH, writing));
    let other = Writing {
        examples: SolvedExample::defaults(),
        prompt: DEFAULT_PROMPT.into(),
        ..writing()
    };
    assert_ne!(parameters(writing()), parameters(other));
}

fn instructed(instruction: &str, passage: &str) -> Instructed {
    Instructed {
        id: instruction.into(),
        target: PORTUGUESE,
        passage: passage.into(),
        translation: "It runs to the sea.".into(),
        instruction: instruction.into(),
        fit: None,
    }
}

#[test]
fn a_row_with_a_fault_in_either_pair_does_not_go_on() {
    let rows = [
        instructed("Describe the river.", "Ele corre para o mar."),
        instructed("Describe a perdida.", "Ele corre para o mar."),
        instructed(
            "Say what I see and hear by the river.",
            "Ele corre para o mar.",
        ),
        instructed("Describe the sea.", "Dort laufe ich zum Meer."),
        instructed("Describe the house.", "Ele corre para o mar 1998 e 2004."),
    ];
    let config = FilterConfig {
        max_length_ratio: 9.0,
        ..FilterConfig::default()
    };
    let filter = FilterStage::new(&Keyword, None, ENGLISH, config);
    let stage = NativeStage::new(&Marking, ENGLISH, PIECES, filter);
    let outcomes = stage.process(&rows).unwrap();
    assert_eq!(
        reasons(&outcomes),
        [
            None,
            Some(("instruction.translation", "empty_translation")),
            Some(("instruction.translation", "source_copied")),
            Some(("passage", "wrong_language")),
            None
        ]
    );
    let Translated {
        question, answer, ..
    } = &outcomes[0].outputs[0];
    assert_eq!(
        question.translation.as_deref(),
        Some("eng por Describe the river.")
    );
    assert_eq!(answer.source, "It runs to the sea.");
    assert_eq!(answer.translation.as_deref(), Some("Ele corre para o mar."));
}

/// What the filter is made of is part of the stage's key.
#[test]
fn another_threshold_or_identifier_makes_another_stage() {
    let stage = |max_word_length| {
        let config = FilterConfig {
            max_word_length,
            ..FilterConfig::default()
        };
        let filter = FilterStage::new(&Keyword, None, ENGLISH, config);
        NativeStage::new(&Marking, ENGLISH, PIECES, filter)
    };
    assert_ne!(stage(40).parameters(), stage(20).parameters());
    let engines: Vec<String> = (stage(40).engines().into_iter())
        .map(|engine| engine.engine)
        .collect();
    assert_eq!(engines, ["marking", "keyword"]);
}

#[test]
fn the_manifest_counts_what_was_read_and_rejected() {
    let rows = [
        passage(PORTUGUESE, "O rio corre para o mar."),
        passage(PORTUGUESE, "Uma frase perdida."),
    ];
    let folder = tempfile::tempdir().unwrap();
    let details = serde_json::json!({ "text": { "por_Latn": { "too_short": 3 } } });
    let stage = PassageStage::new(&Marking, ENGLISH, PIECES).with_details(details.clone());
    let manifest = run(
        &stage,
        &Inputs::rows(&rows),
        folder.path(),
        &StageOptions::default(),
        &Silent,
    )
    .unwrap();
    assert_eq!(manifest.results.details, details);
    assert_eq!(manifest.results.counts.outputs, 1);
    assert_eq!(manifest.results.counts.rejections["empty_translation"], 1);
    let rejected = std::fs::read_to_string(folder.path().join("rejected.jsonl")).unwrap();
    assert!(rejected.contains("Uma frase perdida."), "{rejected}");
}
