//! The config of a translation server.

use corpus::seam::EngineError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HttpTranslator, HttpTranslatorOptions, LanguageCodes};
use crate::choice::KeyError;
use crate::engine_config::{TranslatorConfig, Translators};
use crate::http::{HttpOptions, MAX_FAILED_SHARE, ServerUrl, check_share};
use crate::opening::Opening;
use crate::translation_cache::Cache;

/// A server with [NeMo Curator's contract](https://docs.nvidia.com/nemotron/nightly/translation/how-to/run-nmt-translation.html):
/// `POST /translate {"texts", "src_lang", "tgt_lang"}` returns `{"translations"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HttpTranslatorConfig {
    /// Address of the server.
    #[schemars(extend("default-text" = "required"))]
    pub url: Option<ServerUrl>,
    /// Name of the model that runs there, for manifests and the cache. Change it when the server's
    /// model changes.
    pub server_model: Option<String>,
    /// Codes by which the server names languages.
    pub language_codes: LanguageCodes,
    /// Number of sentences in a request.
    pub batch_size: usize,
    /// Maximum number of parallel requests.
    pub in_flight: usize,
    /// Time limit of a request.
    pub timeout_seconds: u64,
    /// Number of times a failed request is retried.
    pub retries: usize,
    /// Maximum share of requests that may fail alone, e.g. refused by a content filter; each costs
    /// its row a translation. If more fail (and at least ten), the run stops.
    pub max_failed_share: f64,
}

impl Default for HttpTranslatorConfig {
    fn default() -> Self {
        Self {
            url: None,
            server_model: None,
            language_codes: LanguageCodes::Iso,
            batch_size: 32,
            in_flight: 8,
            timeout_seconds: 120,
            retries: 5,
            max_failed_share: MAX_FAILED_SHARE,
        }
    }
}

impl TranslatorConfig for HttpTranslatorConfig {
    fn check(&self, _: &Opening<'_>) -> Result<(), KeyError> {
        self.url.as_ref().map_or(Ok(()), ServerUrl::check)?;
        check_share(self.max_failed_share)?;
        let message = "name the server, e.g. http://localhost:8000";
        match &self.url {
            Some(_) => Ok(()),
            None => Err(KeyError::new("url", message)),
        }
    }

    fn is_cheap_on_words(&self) -> bool {
        true
    }

    fn open(&self, _: &Opening<'_>, cache: &Cache) -> Result<Translators, EngineError> {
        let options = HttpTranslatorOptions {
            server_model: self.server_model.clone(),
            language_codes: self.language_codes,
            batch_size: self.batch_size,
            http: HttpOptions::of(
                self.timeout_seconds,
                self.retries,
                self.in_flight,
                self.max_failed_share,
            ),
        };
        let translator = HttpTranslator::new(
            self.url.as_ref().map(ServerUrl::as_str).unwrap_or_default(),
            options,
        )?;
        Ok(Translators::both(cache.before(translator)))
    }
}
