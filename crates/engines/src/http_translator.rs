//! Any translation system behind the HTTP contract that NeMo Curator's `nmt` backend uses:
//! `POST /translate {"texts": […], "src_lang": …, "tgt_lang": …}` → `{"translations": […]}`.

mod config;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::http::{HttpOptions, JsonEndpoint, map_in_flight};

pub use config::HttpTranslatorConfig;

const ENGINE: &str = "http";

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
#[derive(Debug, Clone, PartialEq, Eq)]
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

    fn request(
        &self,
        texts: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        let codes = self.options.language_codes;
        let body = json!({
            "texts": texts,
            "src_lang": codes.of(from),
            "tgt_lang": codes.of(to),
        });
        let answer = self.endpoint.post(&body);
        let answer = answer.map_err(|failure| EngineError::new(ENGINE, failure.message))?;
        let url = self.endpoint.shown();
        let translations: Option<Vec<String>> = answer
            .get("translations")
            .and_then(|list| Vec::deserialize(list).ok());
        match translations {
            Some(translations) if translations.len() == texts.len() => Ok(translations),
            Some(translations) => Err(EngineError::new(
                ENGINE,
                format!(
                    "{url} returned {} translations for {} texts; it must return one per text, in order",
                    translations.len(),
                    texts.len()
                ),
            )),
            None => {
                let mut answer = answer.to_string();
                if let Some((end, _)) = answer.char_indices().nth(200) {
                    answer.truncate(end);
                }
                Err(EngineError::new(
                    ENGINE,
                    format!(
                        "{url} returned {answer} instead of {{\"translations\": [\"…\"]}}; \
                         does the server implement this contract?"
                    ),
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
        let answers = map_in_flight(&requests, self.options.http.in_flight, |texts| {
            self.request(texts, from, to)
        })?;
        Ok(answers.into_iter().flatten().collect())
    }
}
