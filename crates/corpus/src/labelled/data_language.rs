//! The languages of data sets, some of which FLORES-200 lacks.

use crate::language::Language;

use super::LabelledError;
use super::data_set::SetLanguage;

/// The language of a file of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataLanguage {
    /// FLORES-200 code, e.g. `deu_Latn`; the data set's own if FLORES-200 lacks the language.
    pub code: String,
    /// Everyday English name.
    pub name: String,
    /// The language that an encoder or translator with language codes is told; `None` if no
    /// language of FLORES-200 is close.
    pub source: Option<Language>,
    /// Whether `source` is a related language that stands in for it.
    pub is_proxy: bool,
}

impl DataLanguage {
    /// A language of `special`, or any of FLORES-200.
    pub(super) fn of(special: &[SetLanguage], name: &str) -> Result<DataLanguage, LabelledError> {
        let written = name.trim().to_lowercase();
        let of_set = |known: &&SetLanguage| {
            let name = known.name.to_lowercase();
            known.code.to_lowercase() == written
                || (!name.is_empty() && name == written.replace('_', " "))
        };
        let Some(found) = special.iter().find(of_set) else {
            return match Language::parse(name) {
                Ok(language) => Ok(language.into()),
                Err(error) => Err(LabelledError::UnknownLanguage {
                    message: error.to_string(),
                    own: special.iter().map(|known| known.code).collect(),
                }),
            };
        };
        let source = found.source.map(Language::with_code);
        Ok(match (source, found.is_proxy) {
            (Some(language), false) => language.into(),
            _ => DataLanguage {
                code: found.code.to_owned(),
                name: found.name.to_owned(),
                source,
                is_proxy: found.is_proxy,
            },
        })
    }

    /// Whether it is English.
    pub fn is_english(&self) -> bool {
        self.source == Some(Language::ENGLISH) && !self.is_proxy
    }
}

impl From<Language> for DataLanguage {
    fn from(language: Language) -> Self {
        DataLanguage {
            code: language.code().to_owned(),
            name: language.everyday_name().to_owned(),
            source: Some(language),
            is_proxy: false,
        }
    }
}
