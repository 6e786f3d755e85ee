//! The engines behind the seams of `corpus`, one per file, each with its config.
//!
//! | seam | chosen in | engines |
//! |---|---|---|
//! | `Answerer` | [`answerer`] | [`local_llm`], [`openai`] |
//! | `TextScorer` | | [`local_llm`] |
//! | `Translator` | [`translator`] | [`firefox`], [`nllb`], [`http_translator`], [`llm_translator`]; [`by_direction`] combines several, [`translation_cache`] caches |
//! | `LanguageIdentifier` | [`identifier`] | [`whatlang`], [`cld3`], [`fasttext`] |
//! | `TextClassifier` | | [`local_classifier`] |
//! | `QualityEstimator` | [`estimator`] | [`round_trip`], [`comet_kiwi`] |
//!
//! [`choice`] reads an engine and its keys from a config section or from arguments; [`lazy`] loads
//! an engine on first use.

#![warn(clippy::unwrap_used)]

mod abstention;
pub mod answerer;
pub mod by_direction;
pub mod choice;
pub mod cld3;
pub mod comet_kiwi;
pub mod engine_config;
pub mod estimator;
pub mod fasttext;
pub mod field_names;
pub mod firefox;
pub mod http;
pub mod http_translator;
pub mod identifier;
pub mod lazy;
pub mod llm_translator;
pub mod local_classifier;
pub mod local_llm;
pub mod model_ref;
pub mod native_label;
pub mod nllb;
pub mod openai;
pub mod opening;
pub mod round_trip;
pub mod template_ref;
pub mod translation_cache;
pub mod translator;
pub mod whatlang;
