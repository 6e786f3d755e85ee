//! The engines that translate.

use corpus::file_path::FilePath;
use corpus::seam::EngineError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Error;

use crate::choice::{EngineKeys, EngineSection, Keys, engines, keyed, section_traits};
use crate::engine_config::{TranslatorConfig, Translators};
use crate::firefox::FirefoxConfig;
use crate::http_translator::HttpTranslatorConfig;
use crate::llm_translator::{LlmTranslatorConfig, OpenAiTranslatorConfig};
use crate::nllb::NllbConfig;
use crate::opening::Opening;
use crate::translation_cache::Cache;

engines! {
    /// A translation engine.
    pub enum TranslateEngine: TranslatorConfig in "translate", default "firefox" {
        /// Firefox models.
        "firefox" => Firefox(FirefoxConfig),
        /// NLLB-200.
        "nllb" => Nllb(NllbConfig),
        /// A translation server.
        "http" => Http(HttpTranslatorConfig),
        /// An LLM on this machine.
        "llm" => Llm(LlmTranslatorConfig),
        /// An LLM behind a chat server.
        "openai" => OpenAi(OpenAiTranslatorConfig),
    }
}

/// `[translate]`: the translation engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TranslateConfig {
    /// The engine.
    #[serde(flatten)]
    pub engine: TranslateEngine,
    /// Keys of every engine.
    #[serde(flatten)]
    pub shared: SharedKeys,
}

/// The keys of `[translate]` that every engine has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SharedKeys {
    /// File of translations that runs share. Any number of processes of one machine may use it at
    /// the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<FilePath>,
}

impl TranslateConfig {
    /// The translators, behind the cache if one is named.
    pub fn open(&self, opening: &Opening<'_>) -> Result<Translators, EngineError> {
        let cache = Cache::open(self.shared.cache.as_deref())?;
        self.engine.open(opening, &cache)
    }
}

impl EngineSection for TranslateConfig {
    const SECTION: &'static str = TranslateEngine::SECTION;
    const DEFAULT: &'static str = TranslateEngine::DEFAULT;

    fn engines() -> Vec<EngineKeys> {
        let engines = TranslateEngine::engines().into_iter();
        engines.map(EngineKeys::with::<SharedKeys>).collect()
    }

    fn with_engine(engine: &str, keys: Keys) -> Result<Self, Error> {
        let shared = EngineKeys::of::<SharedKeys>("");
        let (shared, own): (Keys, Keys) = keys.into_iter().partition(|(key, _)| shared.has(key));
        Ok(Self {
            engine: TranslateEngine::with_engine(engine, own)?,
            shared: keyed(Self::SECTION, shared)?,
        })
    }
}

section_traits!(TranslateConfig);
