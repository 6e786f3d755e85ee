//! Language identification engines by their names in a config.

use std::path::Path;

use corpus::seam::EngineError;
use serde::{Deserialize, Serialize};

use crate::cld3::Cld3Identifier;
use crate::fasttext::FastTextIdentifier;
use crate::native_label::NativeLabels;
use crate::whatlang::WhatlangIdentifier;

/// Which engine identifies languages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifierEngine {
    /// whatlang: 69 languages of FLORES-200, nothing to download.
    #[default]
    Whatlang,
    /// CLD3, from `lang_id_nn_params.cc`.
    Cld3,
    /// A fastText model, `.bin` or `.ftz`.
    FastText,
}

impl IdentifierEngine {
    /// The name in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whatlang => "whatlang",
            Self::Cld3 => "cld3",
            Self::FastText => "fasttext",
        }
    }

    /// Loads the engine with its model; whatlang has none.
    pub fn load(self, model: Option<&Path>) -> Result<Box<dyn NativeLabels>, EngineError> {
        let needed = |what: &str| {
            model.ok_or_else(|| {
                EngineError::new(self.name(), format!("it needs a model: name {what}"))
            })
        };
        Ok(match self {
            Self::Whatlang if model.is_some() => {
                return Err(EngineError::new(
                    self.name(),
                    "it takes no model; name cld3 or fasttext as the engine, or no model",
                ));
            }
            Self::Whatlang => Box::new(WhatlangIdentifier),
            Self::Cld3 => Box::new(Cld3Identifier::load(needed(
                "CLD3's lang_id_nn_params.cc",
            )?)?),
            Self::FastText => Box::new(FastTextIdentifier::load(needed(
                "a .bin or .ftz file, e.g. lid.176.ftz",
            )?)?),
        })
    }
}
