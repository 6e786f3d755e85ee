//! Each rule rejects what it is for and nothing else; x, y and ŷ are judged apart.

mod copies;
mod quality;
mod rules;

use corpus::filter::{FilterConfig, FilterStage};
use corpus::language::Language;
use corpus::record::{TextPair, Translated};
use corpus::seam::{
    EngineError, EngineIdentity, Identification, LanguageIdentifier, QualityEstimator,
};
use corpus::stage::{Outcome, RowStage};

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;

fn identity(engine: &str) -> EngineIdentity {
    EngineIdentity {
        engine: engine.into(),
        model: String::new(),
        revision: String::new(),
        parameters: String::new(),
        licence: None,
    }
}

/// Says German of text with `ich`, English of text with `the`, else abstains.
struct Keyword;

impl LanguageIdentifier for Keyword {
    fn identity(&self) -> EngineIdentity {
        identity("keyword")
    }

    fn knows(&self, language: Language) -> bool {
        language != Language::with_code("glg_Latn")
    }

    fn identify(&self, text: &str) -> Identification {
        let language = match text {
            text if text.contains(" ich ") => Language::with_code("deu_Latn"),
            text if text.contains(" the ") => ENGLISH,
            _ => return Identification::Abstained,
        };
        Identification::Identified {
            language,
            probability: 0.9,
        }
    }
}

/// Scores each pair by the number at the end of its translation, else 1.
struct Stated;

impl QualityEstimator for Stated {
    fn identity(&self) -> EngineIdentity {
        identity("stated")
    }

    fn estimate(
        &self,
        pairs: &[(String, String)],
        _: Language,
        _: Language,
    ) -> Result<Vec<f64>, EngineError> {
        let score = |(_, translation): &(String, String)| {
            translation
                .rsplit(' ')
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or(1.0)
        };
        Ok(pairs.iter().map(score).collect())
    }
}

fn row(question: (&str, &str), answer: (&str, &str), target: Language) -> Translated {
    let pair = |(source, translation): (&str, &str)| TextPair {
        source: source.into(),
        translation: Some(translation.into()),
    };
    Translated {
        id: "1".into(),
        target,
        question: pair(question),
        answer: pair(answer),
        generated: None,
    }
}

fn filter(row: &Translated) -> Outcome<Translated> {
    let stage = FilterStage::new(&Keyword, Some(&Stated), ENGLISH, FilterConfig::default());
    stage
        .process(std::slice::from_ref(row))
        .expect("filtering")
        .remove(0)
}

/// The reason for which the translation is rejected, if it is.
fn reason_to(source: &str, translation: &str, target: Language) -> Option<&'static str> {
    let outcome = filter(&row((source, translation), ("Yes.", "Sim."), target));
    let rejected = outcome.outputs[0].question.translation.is_none();
    assert_eq!(rejected, !outcome.rejections.is_empty());
    assert!(outcome.outputs[0].answer.translation.is_some());
    outcome.rejections.first().map(|rejection| {
        assert_eq!(rejection.field, "question.translation");
        assert!(!rejection.detail.is_empty());
        rejection.reason
    })
}

fn reason(source: &str, translation: &str) -> Option<&'static str> {
    reason_to(source, translation, PORTUGUESE)
}
