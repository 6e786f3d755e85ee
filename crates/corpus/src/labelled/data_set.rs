//! Published data sets: what their files look like and which languages they cover.

use super::layout::Layout;
use super::{ALL, DataLanguage, LabelledError};

/// A published data set.
#[derive(Debug)]
pub struct DataSet {
    /// Name in the config.
    pub name: &'static str,
    /// The paper.
    pub paper: &'static str,
    /// Names of the labels in the order of their numbers; none for multiple choice.
    pub labels: &'static [&'static str],
    /// Known layouts of its files; the first whose columns a file has is used. The argument says
    /// whether the English side is read, if a file holds two sides.
    pub(super) layouts: fn(english: bool) -> Vec<Layout<'static>>,
    /// Columns of files without a header, one list per number of columns.
    pub(super) headerless: &'static [&'static [&'static str]],
    /// Whether a cell of a tab-separated file may be in quotes, as pandas writes it; otherwise a
    /// quote is part of the text.
    pub(super) quoted: bool,
    /// Languages with a name of their own in the data set, or without a code in FLORES-200.
    pub(super) languages: &'static [SetLanguage],
}

/// A language as a data set names it.
#[derive(Debug)]
pub(super) struct SetLanguage {
    /// The data set's code.
    pub code: &'static str,
    /// Everyday name, if FLORES-200 does not have the language.
    pub name: &'static str,
    /// FLORES-200 code that an encoder or translator is told; `None` if nothing is close.
    pub source: Option<&'static str>,
    /// Whether `source` is a related language that stands in for it.
    pub is_proxy: bool,
}

impl SetLanguage {
    /// Another name of a language of FLORES-200.
    pub const fn alias(code: &'static str, source: &'static str) -> SetLanguage {
        SetLanguage {
            code,
            name: "",
            source: Some(source),
            is_proxy: false,
        }
    }

    /// A language that a related one stands in for.
    pub const fn proxy(
        code: &'static str,
        name: &'static str,
        source: &'static str,
    ) -> SetLanguage {
        SetLanguage {
            code,
            name,
            source: Some(source),
            is_proxy: true,
        }
    }

    /// A language without a relative among those of FLORES-200.
    pub const fn unsupported(code: &'static str, name: &'static str) -> SetLanguage {
        SetLanguage {
            code,
            name,
            source: None,
            is_proxy: false,
        }
    }
}

impl DataSet {
    /// The data set called `name`.
    ///
    /// # Errors
    /// [`LabelledError::UnknownDataSet`], with the closest name.
    pub fn named(name: &str) -> Result<&'static DataSet, LabelledError> {
        let known = ALL.iter().find(|set| set.name == name);
        known.copied().ok_or_else(|| {
            let names = ALL.iter().map(|set| set.name);
            let closest = names.clone().min_by_key(|known| {
                let written = name.to_lowercase().replace('-', "_");
                strsim::osa_distance(&written, known)
            });
            LabelledError::UnknownDataSet {
                name: name.to_owned(),
                known: names.collect::<Vec<_>>().join(", "),
                closest: closest.unwrap_or_default(),
            }
        })
    }

    /// The language called `name`: by the data set's own code, or any name of a language of
    /// FLORES-200.
    ///
    /// # Errors
    /// [`LabelledError::UnknownLanguage`].
    pub fn language(&self, name: &str) -> Result<DataLanguage, LabelledError> {
        DataLanguage::of(self.languages, name)
    }
}
