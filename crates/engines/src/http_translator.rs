//! Any translation system behind the HTTP contract that NeMo Curator's `nmt` backend uses:
//! `POST /translate {"texts": […], "src_lang": …, "tgt_lang": …}` → `{"translations": […]}`.

mod config;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::http::{Failure, HttpOptions, JsonEndpoint, map_in_flight};

pub use config::HttpTranslatorConfig;

const ENGINE: &str = "http";

/// Maximum number of bytes of a translation per byte of its source: escapes of JSON, and scripts that
/// need more bytes.
const BYTES_PER_BYTE: usize = 32;

/// Failed texts from which a server that has translated nothing is the wrong one.
const FEW: usize = 3;

/// Language codes of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LanguageCodes {
    /// ISO 639-1 (`pt`), or ISO 639-3 for a language without one, as in NeMo Curator.
    #[default]
    Iso,
    /// FLORES-200 (`por_Latn`), for servers of NLLB and IndicTrans2.
    Flores,
}

impl LanguageCodes {
    fn of(self, language: Language) -> &'static str {
        match self {
            LanguageCodes::Iso => language.iso639_1().unwrap_or(language.iso639_3()),
            LanguageCodes::Flores => language.code(),
        }
    }
}

/// Settings of a translation server.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpTranslatorOptions {
    /// Name of its model in manifests and the cache; by default, the address.
    pub server_model: Option<String>,
    /// Codes of the languages.
    pub language_codes: LanguageCodes,
    /// Number of sentences in a request.
    pub batch_size: usize,
    /// Settings of requests.
    pub http: HttpOptions,
}

impl Default for HttpTranslatorOptions {
    /// ISO codes, 32 sentences in a request.
    fn default() -> Self {
        Self {
            server_model: None,
            language_codes: LanguageCodes::Iso,
            batch_size: 32,
            http: HttpOptions::default(),
        }
    }
}

/// A translation server.
pub struct HttpTranslator {
    endpoint: JsonEndpoint,
    options: HttpTranslatorOptions,
}

impl HttpTranslator {
    /// A server at `url`: the address of the endpoint, or of the server, to which `/translate` is
    /// added. Sends nothing yet.
    pub fn new(url: &str, options: HttpTranslatorOptions) -> Result<Self, EngineError> {
        let address = match url.trim_end_matches('/') {
            url if url.ends_with("/translate") || url.contains('?') => url.to_owned(),
            url => format!("{url}/translate"),
        };
        let endpoint = JsonEndpoint::new(&address, None, options.http.clone())
            .map_err(|message| EngineError::new(ENGINE, message))?;
        Ok(Self { endpoint, options })
    }

    /// The translations of the texts, in one request; the failure of a text alone is an empty
    /// translation.
    fn request(
        &self,
        texts: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        let error = |message| EngineError::new(ENGINE, message);
        let failure = match self.attempt(texts, from, to) {
            Ok(translations) => {
                self.endpoint.tolerance.succeeded();
                return Ok(translations);
            }
            Err(failure) if !failure.alone => return Err(error(failure.message)),
            Err(failure) => failure,
        };
        if texts.len() > 1 {
            // One of the texts may be at fault.
            let alone = texts.chunks(1).map(|text| self.request(text, from, to));
            return Ok(alone.collect::<Result<Vec<_>, _>>()?.concat());
        }
        self.endpoint
            .tolerance
            .failed(&failure.message)
            .map_err(error)?;
        Ok(vec![String::new()])
    }

    fn attempt(
        &self,
        texts: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, Failure> {
        let codes = self.options.language_codes;
        let body = json!({
            "texts": texts,
            "src_lang": codes.of(from),
            "tgt_lang": codes.of(to),
        });
        let asked: usize = texts.iter().map(String::len).sum();
        let answer = self
            .endpoint
            .post(&body, asked.saturating_mul(BYTES_PER_BYTE))?;
        let url = self.endpoint.shown();
        let translations: Option<Vec<Option<String>>> = answer
            .get("translations")
            .and_then(|list| Vec::deserialize(list).ok());
        match translations {
            // What a server did not translate is null.
            Some(translations) if translations.len() == texts.len() => Ok(translations
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect()),
            Some(translations) => Err(Failure::alone(
                format!(
                    "{url} returned {} translations for {} texts; it must return one per text, in order",
                    translations.len(),
                    texts.len()
                ),
                false,
            )),
            None => {
                let answer = self.endpoint.quoted(&answer.to_string());
                Err(Failure::alone(
                    format!(
                        "{url} returned {answer} instead of {{\"translations\": [\"…\"]}}; \
                         does the server implement this contract?"
                    ),
                    false,
                ))
            }
        }
    }
}

impl Translator for HttpTranslator {
    fn identity(&self) -> EngineIdentity {
        let model = self.options.server_model.clone();
        EngineIdentity {
            engine: ENGINE.into(),
            model: model.unwrap_or_else(|| self.endpoint.shown().to_owned()),
            revision: String::new(),
            parameters: String::new(),
            licence: None,
        }
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        let requests: Vec<&[String]> = sentences.chunks(self.options.batch_size.max(1)).collect();
        let (answers, stopped) = map_in_flight(&requests, self.options.http.in_flight, |texts| {
            self.request(texts, from, to)
        });
        if let Some(error) = stopped {
            return Err(error);
        }
        let tolerance = &self.endpoint.tolerance;
        match tolerance.first() {
            Some(message) if tolerance.none_succeeded() && sentences.len() >= FEW => {
                Err(EngineError::new(ENGINE, message))
            }
            _ => Ok(answers.into_iter().flatten().flatten().collect()),
        }
    }
}
