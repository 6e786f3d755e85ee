//! CLD3, Google's Compact Language Detector 3: a small neural network over character n-grams,
//! 109 labels; the paper's filter (section 4.1).
//!
//! The network is computed as in the reference implementation. Its parameters are read from the
//! source file in which Google publishes them, `lang_id_nn_params.cc`, which is part of the package
//! of the `cld3` crate 0.1.1.

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

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::abstention::{self, MAX_BYTES as MAX_BYTES_READ, is_too_little, readable};
use crate::choice::KeyError;
use crate::engine_config::IdentifierConfig;
use crate::model_ref::{ModelRef, existing, require};
use crate::native_label::{NativeLabel, NativeLabels};
use parameters::Parameters;
use script::ScriptSpans;

const ENGINE: &str = "cld3";
/// Name of the file with the parameters.
const FILE: &str = "lang_id_nn_params.cc";

/// Maximum number of bytes of cleaned text that the network reads; longer texts are represented by
/// snippets. This is the value of the Python packages; the library's default is 700, and at least
/// 140.
const MAX_BYTES: usize = 1_000;
/// Probability from which the reference implementation calls an identification reliable, and the
/// same for the two labels that are hard to tell apart.
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

/// CLD3, the paper's: 98 languages of FLORES-200.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cld3Config {
    /// Google's parameter file `lang_id_nn_params.cc`, or the folder that holds it. It is in the
    /// package of the crate `cld3` 0.1.1 (`cargo add cld3@0.1.1 && cargo fetch` in an empty project,
    /// then `~/.cargo/registry/src/*/cld3-0.1.1/cld3/`) and in Google's repository `google/cld3`.
    #[schemars(extend("default-text" = "required"))]
    pub model: Option<ModelRef>,
}

impl Cld3Config {
    fn model(&self) -> Result<&ModelRef, KeyError> {
        require(&self.model, "CLD3's lang_id_nn_params.cc")
    }
}

impl IdentifierConfig for Cld3Config {
    fn check(&self) -> Result<(), KeyError> {
        self.model().map(drop)
    }

    fn check_files(&self) -> Result<(), EngineError> {
        existing(ENGINE, self.model()).map(drop)
    }

    fn open(&self) -> Result<Box<dyn NativeLabels>, EngineError> {
        let model = existing(ENGINE, self.model())?;
        Ok(Box::new(Cld3Identifier::load(model)?))
    }
}

/// Identifies 98 of the languages of FLORES-200.
pub struct Cld3Identifier {
    identity: EngineIdentity,
    parameters: Parameters,
}

impl Cld3Identifier {
    /// Reads the parameters from `path`: `lang_id_nn_params.cc`, or a folder that contains it.
    pub fn load(path: &Path) -> Result<Self, EngineError> {
        let file = match path.is_dir() {
            true => path.join(FILE),
            false => path.to_owned(),
        };
        let error =
            |cause: String| EngineError::new(ENGINE, format!("{}: {cause}", file.display()));
        let bytes = fs::read(&file).map_err(|e| {
            error(format!(
                "cannot be read ({e}); name CLD3's {FILE}, which is part of the package of the crate cld3 0.1.1"
            ))
        })?;
        let source = str::from_utf8(&bytes).map_err(|e| {
            error(format!(
                "byte {} is not text; this is not {FILE}",
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

    /// CLD3's own label and its probability (`FindLanguage` of the reference implementation with a
    /// minimum of 0 and a maximum of 1,000 bytes). It never abstains, even on an empty text.
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

/// Number of bytes of `text` to read: whole characters up to the first that is not valid for
/// interchange (control characters other than white space, non-characters).
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
        let (label, probability) = self.find_language(&readable(text));
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
