//! The `whatlang` crate: trigram language identification without a model file.

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Identification, LanguageIdentifier};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::abstention::{beginning, readable};
use crate::engine_config::IdentifierConfig;
use crate::native_label::{NativeLabel, NativeLabels};

/// Number of letters below which languages that share a script cannot be told apart.
const FEW_LETTERS: usize = 25;
/// Number of letters below which not even the script determines the language.
const FEW_LETTERS_OF_OWN_SCRIPT: usize = 3;
/// Confidence below which the identifier abstains.
const MIN_CONFIDENCE: f64 = 0.5;

/// whatlang: 69 languages of FLORES-200, nothing to download.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhatlangConfig {}

impl IdentifierConfig for WhatlangConfig {
    fn open(&self) -> Result<Box<dyn NativeLabels>, EngineError> {
        Ok(Box::new(WhatlangIdentifier))
    }
}

/// Identifies 69 languages of FLORES-200 by their trigrams; abstains on short and on ambiguous text.
pub struct WhatlangIdentifier;

impl LanguageIdentifier for WhatlangIdentifier {
    fn identity(&self) -> EngineIdentity {
        EngineIdentity {
            engine: "whatlang".into(),
            model: "whatlang".into(),
            revision: "0.18".into(),
            parameters: format!(
                "letters>={FEW_LETTERS} confidence>={MIN_CONFIDENCE}, capitals as small letters"
            ),
            licence: Some("MIT".into()),
        }
    }

    /// Of 33 texts of Alpaca that whatlang's word rejected at 0.5, read by eye, about 7 were faulty:
    /// it takes short Portuguese for Spanish and lists of names for Italian. Those it was sure of to
    /// 0.9 were 4.
    fn default_min_probability(&self) -> f64 {
        0.9
    }

    fn knows(&self, language: Language) -> bool {
        language
            .whatlang()
            .is_some_and(|code| Language::from_whatlang(code) == Some(language))
    }

    fn identify(&self, text: &str) -> Identification {
        let text = readable(text);
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let Some(info) = whatlang::detect(&text) else {
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
