//! The config of NLLB-200.

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity};
use models::beam_search::{BeamOptions, EarlyStopping};
use models::{Precision, TranslationModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ENGINE, NllbOptions, NllbTranslator, identity};
use crate::choice::KeyError;
use crate::engine_config::{TranslatorConfig, Translators};
use crate::lazy::Lazy;
use crate::model_ref::{ModelRef, existing, require};
use crate::opening::Opening;
use crate::translation_cache::Cache;

/// NLLB-200 (600M, 1.3B or 3.3B): one model for all directions between its 200 languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NllbConfig {
    /// The Hugging Face directory: `config.json`, `tokenizer.json` and safetensors, e.g. from
    /// `hf download facebook/nllb-200-distilled-600M --local-dir models/nllb`.
    #[schemars(extend("default-text" = "required"))]
    pub model: Option<ModelRef>,
    /// Number format of the weights.
    pub precision: Precision,
    /// Number of beams; 1 is greedy search.
    pub beam_size: usize,
    /// Exponent of the length by which scores are divided. Above 0 favours longer translations.
    pub length_penalty: f64,
    /// When a search ends once it has as many translations as beams.
    pub early_stopping: EarlyStopping,
    /// No n-gram of this many tokens occurs twice in a translation; 0 allows all.
    pub no_repeat_ngram_size: usize,
    /// Above 1, tokens that already occurred become less probable.
    pub repetition_penalty: f32,
    /// Maximum number of tokens of a translated sentence.
    pub max_new_tokens: usize,
    /// Number of sentences translated in parallel.
    pub batch_size: usize,
}

impl Default for NllbConfig {
    fn default() -> Self {
        let search = BeamOptions::default();
        Self {
            model: None,
            precision: Precision::Bf16,
            beam_size: search.beam_size,
            length_penalty: search.length_penalty,
            early_stopping: search.early_stopping,
            no_repeat_ngram_size: search.no_repeat_ngram_size,
            repetition_penalty: search.repetition_penalty,
            max_new_tokens: search.max_new_tokens,
            batch_size: search.batch_size,
        }
    }
}

impl NllbConfig {
    fn model(&self) -> Result<&ModelRef, KeyError> {
        require(
            &self.model,
            "the Hugging Face directory of an NLLB-200 model",
        )
    }

    fn options(&self, opening: &Opening<'_>) -> NllbOptions {
        NllbOptions {
            weights: self.precision,
            device: opening.device,
            search: BeamOptions {
                beam_size: self.beam_size,
                max_new_tokens: self.max_new_tokens,
                length_penalty: self.length_penalty,
                early_stopping: self.early_stopping,
                no_repeat_ngram_size: self.no_repeat_ngram_size,
                repetition_penalty: self.repetition_penalty,
                batch_size: self.batch_size,
                ..BeamOptions::default()
            },
        }
    }
}

fn failed(error: impl std::fmt::Display) -> EngineError {
    EngineError::new(ENGINE, error.to_string())
}

impl TranslatorConfig for NllbConfig {
    fn check(&self, opening: &Opening<'_>) -> Result<(), KeyError> {
        self.model()?;
        let search = self.options(opening).search;
        search
            .check()
            .map_err(|error| KeyError::new(error.key, error.to_string()))
    }

    fn check_files(&self, _: &Opening<'_>) -> Result<(), EngineError> {
        let model = existing(ENGINE, self.model())?;
        match model.join("config.json").is_file() {
            true => Ok(()),
            false => Err(failed(format!(
                "{model} has no config.json; name the Hugging Face directory of an NLLB-200 model"
            ))),
        }
    }

    fn open(&self, opening: &Opening<'_>, cache: &Cache) -> Result<Translators, EngineError> {
        let model = existing(ENGINE, self.model())?.clone();
        let options = self.options(opening);
        let identity: EngineIdentity = identity(
            &TranslationModel::identity_of(&model).map_err(failed)?,
            &options,
        );
        let (source, targets): (Language, Vec<Language>) =
            (opening.source, opening.targets.to_vec());
        let load = move || {
            let translator = NllbTranslator::load(&model, options.clone())?;
            for &target in &targets {
                translator.check(source, target)?;
            }
            Ok(translator)
        };
        Ok(Translators::both(cache.before(Lazy::new(identity, load))))
    }
}
