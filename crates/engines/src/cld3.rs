//! CLD3, Google's Compact Language Detector 3: a small neural network over character n-grams,
//! 109 labels; the paper's filter (section 4.1).
//!
//! The network is computed as the reference implementation does; its parameters are read from the
//! source file that Google publishes them in, `lang_id_nn_params.cc`, which the package of the
//! `cld3` crate 0.1.1 carries.

mod features;
mod network;
mod parameters;
mod script;
mod source;
mod squeeze;

use std::fs;
use std::path::Path;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Identification, LanguageIdentifier};

use crate::abstention::{self, MAX_BYTES as MAX_BYTES_READ, is_too_little};
use crate::native_label::{NativeLabel, NativeLabels};
use parameters::Parameters;
use script::ScriptSpans;

const ENGINE: &str = "cld3";
/// The file that holds the parameters.
const FILE: &str = "lang_id_nn_params.cc";

/// Bytes of cleaned text that the network sees; longer texts are represented by snippets. The
/// Python packages' value; the library's own default is 700 and nothing below 140.
const MAX_BYTES: usize = 1_000;
/// Probability from which the reference calls an identification reliable, and the same for the
/// two labels that are hardly told apart.
const RELIABLE: f32 = 0.7;
const RELIABLE_CROATIAN_BOSNIAN: f32 = 0.5;

/// The labels of the network's outputs (`TaskContextParams::kLanguageNames`).
#[rustfmt::skip]
pub const LABELS: [&str; 109] = [
    "eo", "co", "eu", "ta", "de", "mt", "ps", "te", "su", "uz", "zh-Latn", "ne", "nl", "sw", "sq", "hmn", "ja",
    "no", "mn", "so", "ko", "kk", "sl", "ig", "mr", "th", "zu", "ml", "hr", "bs", "lo", "sd", "cy", "hy", "uk",
    "pt", "lv", "iw", "cs", "vi", "jv", "be", "km", "mk", "tr", "fy", "am", "zh", "da", "sv", "fi", "ht", "af",
    "la", "id", "fil", "sm", "ca", "el", "ka", "sr", "it", "sk", "ru", "ru-Latn", "bg", "ny", "fa", "haw", "gl",
    "et", "ms", "gd", "bg-Latn", "ha", "is", "ur", "mi", "hi", "bn", "hi-Latn", "fr", "yi", "hu", "xh", "my",
    "tg", "ro", "ar", "lb", "el-Latn", "st", "ceb", "kn", "az", "si", "ky", "mg", "en", "gu", "es", "pl",
    "ja-Latn", "ga", "lt", "sn", "yo", "pa", "ku",
];

/// Identifies 98 of the languages of FLORES-200.
pub struct Cld3Identifier {
    identity: EngineIdentity,
    parameters: Parameters,
}

impl Cld3Identifier {
    /// Reads the parameters from `path`: `lang_id_nn_params.cc`, or a folder with it.
    pub fn load(path: &Path) -> Result<Self, EngineError> {
        let file = match path.is_dir() {
            true => path.join(FILE),
            false => path.to_owned(),
        };
        let error =
            |cause: String| EngineError::new(ENGINE, format!("{}: {cause}", file.display()));
        let bytes = fs::read(&file).map_err(|e| {
            error(format!(
                "cannot be read ({e}); name CLD3's {FILE}, which the package of the crate cld3 0.1.1 holds"
            ))
        })?;
        let source = str::from_utf8(&bytes).map_err(|e| {
            error(format!(
                "byte {} is no text; this is not {FILE}",
                e.valid_up_to()
            ))
        })?;
        Ok(Self {
            parameters: Parameters::read(source, LABELS.len()).map_err(error)?,
            identity: EngineIdentity {
                engine: ENGINE.into(),
                model: path.display().to_string(),
                revision: blake3::hash(&bytes).to_hex()[..16].to_owned(),
                parameters: format!(
                    "bytes<={MAX_BYTES} probability>={RELIABLE} {}",
                    abstention::RULE
                ),
                licence: Some("Apache-2.0".into()),
            },
        })
    }

    /// CLD3's own answer (`FindLanguage` of the reference implementation with 0 and 1,000 as least
    /// and most bytes): its label and the probability. It never abstains, even on an empty text.
    pub fn find_language(&self, text: &str) -> (&'static str, f32) {
        let limit = valid_bytes(text);
        let mut cleaned = String::with_capacity(limit + 16);
        let mut spans = ScriptSpans::new(text, limit);
        while spans.next(&mut cleaned).is_some() {}
        let mut cleaned = cleaned.into_bytes();
        squeeze::squeeze(&mut cleaned);
        let (label, probability) =
            network::predict(&self.parameters, &squeeze::select(cleaned, MAX_BYTES));
        (LABELS[label], probability)
    }
}

/// Bytes of `text` to look at: whole characters up to the first that is not to be interchanged
/// (controls but for white space, non-characters).
fn valid_bytes(text: &str) -> usize {
    for (at, character) in text.char_indices() {
        if !may_be_interchanged(character) || at + character.len_utf8() > MAX_BYTES_READ {
            return at;
        }
    }
    text.len()
}

fn may_be_interchanged(character: char) -> bool {
    match u32::from(character) {
        0x09 | 0x0a | 0x0c | 0x0d => true,
        0..0x20 | 0x7f..0xa0 | 0xfdd0..0xfdf0 => false,
        code => code & 0xfffe != 0xfffe,
    }
}

impl LanguageIdentifier for Cld3Identifier {
    fn identity(&self) -> EngineIdentity {
        self.identity.clone()
    }

    fn knows(&self, language: Language) -> bool {
        language.cld3().is_some()
    }

    fn identify(&self, text: &str) -> Identification {
        if is_too_little(text) {
            return Identification::Abstained;
        }
        let (label, probability) = self.find_language(text);
        let reliable = match label {
            "hr" | "bs" => RELIABLE_CROATIAN_BOSNIAN,
            _ => RELIABLE,
        };
        match Language::from_cld3(label).filter(|_| probability >= reliable) {
            Some(language) => Identification::Identified {
                language,
                probability: f64::from(probability),
            },
            None => Identification::Abstained,
        }
    }
}

impl NativeLabels for Cld3Identifier {
    fn native_label(&self, text: &str) -> Option<NativeLabel<'_>> {
        let (label, probability) = self.find_language(text);
        Some(NativeLabel {
            label,
            probability: f64::from(probability),
        })
    }
}
