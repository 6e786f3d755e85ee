//! Parses the name of a language in any naming scheme.

use super::Language;
use super::table::{table, written_form};

/// Error returned for a name that is not a language of FLORES-200.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown language \"{written}\"{}", self.hint())]
pub struct UnknownLanguage {
    /// The name as written.
    pub written: String,
    /// The language that was probably meant.
    pub suggestion: Option<Language>,
}

impl UnknownLanguage {
    fn hint(&self) -> String {
        match self.suggestion {
            Some(language) => {
                format!("; did you mean {} ({})?", language.name(), language.code())
            }
            None => {
                "; write a FLORES-200 code such as \"por_Latn\", an ISO 639 code or an English \
                     name"
                    .to_owned()
            }
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Language, UnknownLanguage> {
    // Rows of stage files carry exact codes, which are found without building a string.
    if let Some(&index) = table().by_code.get(text) {
        return Ok(Language(index));
    }
    let written = written_form(text);
    if let Some(&index) = table().by_written.get(&written) {
        return Ok(Language(index));
    }
    tagged(&written).ok_or_else(|| UnknownLanguage {
        written: text.to_owned(),
        suggestion: suggestion(&written),
    })
}

/// A BCP-47 tag (RFC 5646): language, then optionally script and region.
fn tagged(written: &str) -> Option<Language> {
    let mut subtags = written.split('_');
    let language = *table()
        .by_written
        .get(subtags.next().filter(|tag| tag.len() <= 3)?)?;
    let language = Language(language);
    let mut script = None;
    for subtag in subtags {
        let alphabetic = subtag.bytes().all(|b| b.is_ascii_alphabetic());
        let digits = subtag.bytes().all(|b| b.is_ascii_digit());
        match subtag.len() {
            4 if alphabetic && script.is_none() => script = Some(subtag),
            2 if alphabetic => {
                if language.iso639_3() == "zho" && matches!(subtag, "tw" | "hk" | "mo") {
                    script.get_or_insert("hant");
                }
            }
            3 if digits => {}
            _ => return None,
        }
    }
    match script {
        None => Some(language),
        Some(script) => Language::all().find(|candidate| {
            candidate.iso639_3() == language.iso639_3()
                && candidate.script().eq_ignore_ascii_case(script)
        }),
    }
}

/// Longer than any name of a language.
const LONGEST_NAME: usize = 64;

/// The nearest name, if it is near enough to be a typing error.
fn suggestion(written: &str) -> Option<Language> {
    // What is written may be a whole column of a file, and comparing takes the product of lengths.
    let length = written.chars().take(LONGEST_NAME + 1).count();
    let slips = match length {
        0..=2 => return None,
        3..=5 => 1,
        6..=8 => 2,
        9..=LONGEST_NAME => 3,
        _ => return None,
    };
    table()
        .by_written
        .iter()
        // All codes are close to one another, so only names are suggested for short texts.
        .filter(|(name, _)| {
            let own = name.chars().count();
            own > 3 && own.abs_diff(length) <= slips
        })
        .map(|(name, &index)| (strsim::osa_distance(written, name), index))
        .filter(|&(distance, _)| distance <= slips)
        .min()
        .map(|(_, index)| Language(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        Language::parse(text).unwrap().code()
    }

    #[test]
    fn reads_every_scheme() {
        for text in [
            "por_Latn",
            "POR-latn",
            "pt",
            "por",
            "pt-BR",
            "pt_PT",
            "Portuguese",
            " portuguese ",
        ] {
            assert_eq!(code(text), "por_Latn", "{text}");
        }
        assert_eq!(code("ger"), "deu_Latn");
        assert_eq!(code("es-419"), "spa_Latn");
        assert_eq!(code("norwegian bokmål"), "nob_Latn");
        assert_eq!(code("sat_Beng"), "sat_Olck");
    }

    #[test]
    fn an_open_variety_or_script_takes_the_most_widely_written() {
        assert_eq!(code("zh"), "zho_Hans");
        assert_eq!(code("zho"), "zho_Hans");
        assert_eq!(code("Chinese"), "zho_Hans");
        assert_eq!(code("zh-TW"), "zho_Hant");
        assert_eq!(code("zh-Hant-HK"), "zho_Hant");
        assert_eq!(code("zh-Hans-HK"), "zho_Hans");
        assert_eq!(code("ar"), "arb_Arab");
        assert_eq!(code("no"), "nob_Latn");
        assert_eq!(code("sq"), "als_Latn");
        assert_eq!(code("min"), "min_Latn");
        assert_eq!(code("kas"), "kas_Arab");
        assert_eq!(code("fa"), "pes_Arab");
    }

    #[test]
    fn a_script_that_the_language_lacks_is_an_error() {
        assert!(Language::parse("pt-Cyrl").is_err());
        assert!(Language::parse("sr-Latn").is_err());
    }

    #[test]
    fn slips_are_met_with_a_suggestion() {
        for (typo, meant) in [
            ("portugese", "por_Latn"),
            ("Ukranian", "ukr_Cyrl"),
            ("por_Ltan", "por_Latn"),
        ] {
            let error = Language::parse(typo).unwrap_err();
            assert_eq!(error.suggestion.map(Language::code), Some(meant), "{typo}");
        }
        assert_eq!(
            Language::parse("portugese").unwrap_err().to_string(),
            "unknown language \"portugese\"; did you mean Portuguese (por_Latn)?"
        );
    }

    #[test]
    fn nonsense_is_met_with_the_schemes() {
        for text in ["", "x", "klingon", "Language", "日本"] {
            let error = Language::parse(text).unwrap_err();
            assert_eq!(error.suggestion, None, "{text}");
            assert!(error.to_string().contains("por_Latn"));
        }
    }
}
