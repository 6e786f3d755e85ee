//! Languages: one table for all naming schemes.
//!
//! Within the project, a language is always one of the 204 entries of FLORES-200, written as an ISO
//! 639-3 code and an ISO 15924 script (`por_Latn`). All other names (`pt`, `pt-BR`, `por`,
//! `Portuguese`, and the labels of MUSE, whatlang, CLD3 and fastText) are translated on input and
//! output by the table in `language/flores200.tsv`.

mod parse;
mod table;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use parse::UnknownLanguage;

/// A language in a script, one of the 204 of FLORES-200. Serialised as its code, e.g. `por_Latn`;
/// deserialised from any name that [`Language::parse`] accepts. Ordered by code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(u16);

impl Language {
    /// English, the usual source language.
    pub const ENGLISH: Language = Language::with_code("eng_Latn");
    /// Portuguese, the language of the quickstart.
    pub const PORTUGUESE: Language = Language::with_code("por_Latn");

    /// The language with a given FLORES-200 code, looked up at compile time.
    ///
    /// # Panics
    /// If no language has the code; in a `const` this is a compile error. Use [`Language::parse`]
    /// for codes known only at run time.
    pub const fn with_code(code: &str) -> Language {
        Language(table::row_with_code(code))
    }

    /// All 204 languages, in the order of their codes.
    pub fn all() -> impl ExactSizeIterator<Item = Language> {
        (0..table::ROWS as u16).map(Language)
    }

    /// The FLORES-200 code, e.g. `por_Latn`.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The English name in FLORES-200, e.g. `Portuguese`, `Tosk Albanian`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The everyday English name: `Albanian` rather than `Tosk Albanian`. Unique, like
    /// [`Language::name`].
    pub fn everyday_name(self) -> &'static str {
        self.row().everyday.unwrap_or(self.row().name)
    }

    /// The two-letter ISO 639-1 code, if there is one. The code of a macrolanguage belongs to its
    /// standard variety (`ar` to `arb_Arab`); other varieties have none.
    pub fn iso639_1(self) -> Option<&'static str> {
        self.row().iso639_1
    }

    /// The three-letter ISO 639-3 code, e.g. `por`. Languages that differ only in script share one.
    pub fn iso639_3(self) -> &'static str {
        &self.code()[..3]
    }

    /// The ISO 15924 script, e.g. `Latn`.
    pub fn script(self) -> &'static str {
        &self.code()[4..]
    }

    /// Whether words are written without spaces between them, so that segmentation needs a
    /// dictionary (Chinese, Japanese, Thai, Khmer, Lao, Burmese, Shan) or the tsheg (Tibetan).
    pub fn writes_without_spaces(self) -> bool {
        matches!(
            self.script(),
            "Hans" | "Hant" | "Jpan" | "Thai" | "Khmr" | "Laoo" | "Mymr" | "Tibt"
        )
    }

    /// The code in the file names of MUSE's dictionaries (`en-pt.txt`).
    pub fn muse(self) -> Option<&'static str> {
        self.row().muse
    }

    /// The language's code in the `whatlang` crate.
    pub fn whatlang(self) -> Option<&'static str> {
        self.row().whatlang
    }

    /// The BCP-47 label of CLD3 (Google's Compact Language Detector 3), e.g. `iw` for Hebrew.
    pub fn cld3(self) -> Option<&'static str> {
        self.row().cld3
    }

    /// The label of fastText's `lid.176`, without `__label__`.
    pub fn fasttext(self) -> Option<&'static str> {
        self.row().fasttext
    }

    /// The language of a `whatlang` code; `None` for Latin (`lat`), which FLORES-200 lacks.
    pub fn from_whatlang(code: &str) -> Option<Language> {
        table::table().by_whatlang.get(code).copied().map(Language)
    }

    /// The language of a CLD3 label. Romanised labels (`ru-Latn`) have no FLORES-200 language; `zh`
    /// is Simplified Chinese, since CLD3 does not distinguish the scripts.
    pub fn from_cld3(label: &str) -> Option<Language> {
        table::table().by_cld3.get(label).copied().map(Language)
    }

    /// The language of a fastText label, with or without `__label__`: those of `lid.176`
    /// (`pt`; `als` is Alemannic there and has no FLORES-200 language) and those of NLLB's
    /// `lid218` (`por_Latn`).
    pub fn from_fasttext(label: &str) -> Option<Language> {
        let label = label.strip_prefix("__label__").unwrap_or(label);
        let table = table::table();
        table
            .by_fasttext
            .get(label)
            .or_else(|| table.by_code.get(label))
            .copied()
            .map(Language)
    }

    /// Parses a language: a FLORES-200 code (`por_Latn`), an ISO 639-1, 639-2 or 639-3 code (`pt`,
    /// `por`), a BCP-47 tag (`pt-BR`, `zh-Hant`, `zh-TW`) or an English name (`Portuguese`). Case
    /// does not matter; `-` and `_` are equivalent.
    ///
    /// If the variety or script is left open, the most widely written one is taken: `zh` and
    /// `Chinese` are `zho_Hans`, `ar` is `arb_Arab`, `no` is `nob_Latn`, `ms` is `zsm_Latn`, `min`
    /// is `min_Latn`, `kas` is `kas_Arab`. A region selects the script of Chinese (`TW`, `HK` and
    /// `MO` mean `Hant`) and is otherwise ignored, since FLORES-200 has no regions.
    pub fn parse(text: &str) -> Result<Language, UnknownLanguage> {
        parse::parse(text)
    }

    fn row(self) -> &'static table::Row {
        &table::table().rows[usize::from(self.0)]
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Language::parse(text)
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl JsonSchema for Language {
    fn schema_name() -> Cow<'static, str> {
        "Language".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "language" })
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl serde::de::Visitor<'_> for Name {
            type Value = Language;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a language, e.g. \"por_Latn\", \"pt\" or \"Portuguese\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Language, E> {
                Language::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_holds_the_204_languages_of_flores_200() {
        assert_eq!(Language::all().len(), 204);
        let codes: HashSet<_> = Language::all().map(Language::code).collect();
        assert_eq!(codes.len(), 204);
        let mut sorted: Vec<_> = Language::all().map(Language::code).collect();
        sorted.sort_unstable();
        assert!(
            Language::all().map(Language::code).eq(sorted),
            "binary search needs the order"
        );
    }

    #[test]
    fn every_name_of_every_scheme_finds_its_language_again() {
        for language in Language::all() {
            assert_eq!(Language::parse(language.code()).unwrap(), language);
            assert_eq!(Language::parse(language.name()).unwrap(), language);
            assert_eq!(Language::parse(language.everyday_name()).unwrap(), language);
            let same_code = Language::parse(language.iso639_3()).unwrap();
            assert_eq!(same_code.iso639_3(), language.iso639_3());
            if let Some(code) = language.iso639_1() {
                assert_eq!(Language::parse(code).unwrap(), language, "{code}");
            }
            if let Some(code) = language.whatlang() {
                assert_eq!(Language::from_whatlang(code), Some(language));
            }
            if let Some(label) = language.cld3() {
                assert_eq!(Language::from_cld3(label), Some(language));
            }
            if let Some(label) = language.fasttext() {
                assert_eq!(Language::from_fasttext(label), Some(language));
                assert_eq!(
                    Language::from_fasttext(&format!("__label__{label}")),
                    Some(language)
                );
            }
            assert_eq!(Language::from_fasttext(language.code()), Some(language));
            let json = serde_json::to_string(&language).unwrap();
            assert_eq!(json, format!("\"{}\"", language.code()));
            assert_eq!(serde_json::from_str::<Language>(&json).unwrap(), language);
        }
    }

    #[test]
    fn every_language_of_whatlang_but_latin_is_in_the_table() {
        for lang in whatlang::Lang::all() {
            let found = Language::from_whatlang(lang.code());
            assert_eq!(found.is_none(), lang.code() == "lat", "{lang}");
        }
        let mapped = Language::all().filter(|l| l.whatlang().is_some()).count();
        assert_eq!(mapped, whatlang::Lang::all().len() - 1);
    }

    #[test]
    fn constants_are_looked_up_in_the_table() {
        assert_eq!(Language::ENGLISH.name(), "English");
        assert_eq!(Language::PORTUGUESE.iso639_1(), Some("pt"));
        assert_eq!(Language::PORTUGUESE.script(), "Latn");
        assert!(Language::with_code("tha_Thai").writes_without_spaces());
        assert!(!Language::with_code("kor_Hang").writes_without_spaces());
    }

    #[test]
    fn labels_that_mislead_are_kept_apart() {
        // lid.176 calls Alemannic "als", the ISO code of Tosk Albanian.
        assert_eq!(Language::from_fasttext("als"), None);
        assert_eq!(Language::from_fasttext("sq").unwrap().code(), "als_Latn");
        assert_eq!(Language::from_cld3("iw").unwrap().code(), "heb_Hebr");
        assert_eq!(Language::from_cld3("ru-Latn"), None);
        assert_eq!(Language::from_whatlang("lat"), None);
    }
}
