//! The `whatlang` crate: trigram language identification with nothing to download.

use corpus::language::Language;
use corpus::seam::{EngineIdentity, Identification, LanguageIdentifier};

use crate::abstention::beginning;
use crate::native_label::{NativeLabel, NativeLabels};

/// Letters below which languages that share a script are not told apart.
const FEW_LETTERS: usize = 25;
/// Letters below which not even the script says the language.
const FEW_LETTERS_OF_OWN_SCRIPT: usize = 3;
/// Confidence below which the identifier abstains.
const MIN_CONFIDENCE: f64 = 0.5;

/// Identifies 70 languages by their trigrams; abstains on short and on ambiguous text.
pub struct WhatlangIdentifier;

impl LanguageIdentifier for WhatlangIdentifier {
    fn identity(&self) -> EngineIdentity {
        EngineIdentity {
            engine: "whatlang".into(),
            model: "whatlang".into(),
            revision: "0.18".into(),
            parameters: format!("letters>={FEW_LETTERS} confidence>={MIN_CONFIDENCE}"),
            licence: Some("MIT".into()),
        }
    }

    fn knows(&self, language: Language) -> bool {
        language
            .whatlang()
            .is_some_and(|code| Language::from_whatlang(code) == Some(language))
    }

    fn identify(&self, text: &str) -> Identification {
        let text = beginning(text);
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let Some(info) = whatlang::detect(text) else {
            return Identification::Abstained;
        };
        let few = match info.script().langs().len() {
            1 => FEW_LETTERS_OF_OWN_SCRIPT,
            _ => FEW_LETTERS,
        };
        if letters < few || info.confidence() < MIN_CONFIDENCE {
            return Identification::Abstained;
        }
        match Language::from_whatlang(info.lang().code()) {
            Some(language) => Identification::Identified {
                language,
                probability: info.confidence(),
            },
            None => Identification::Abstained,
        }
    }
}

impl NativeLabels for WhatlangIdentifier {
    fn native_label(&self, text: &str) -> Option<NativeLabel<'_>> {
        whatlang::detect(beginning(text)).map(|info| NativeLabel {
            label: info.lang().code(),
            probability: info.confidence(),
        })
    }
}
