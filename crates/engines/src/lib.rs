//! What fills the seams of `corpus`: one engine a file.
//!
//! | seam | engines |
//! |---|---|
//! | `Answerer` | [`local_llm`], [`openai`] |
//! | `TextScorer` | [`local_llm`] |
//! | `Translator` | [`firefox`], [`nllb`], [`http_translator`], [`llm_translator`]; [`by_direction`] joins several, [`translation_cache`] remembers |
//! | `LanguageIdentifier` | [`whatlang`], [`cld3`], [`fasttext`]; [`identifier`] chooses one |
//! | `QualityEstimator` | [`round_trip`], [`comet_kiwi`] |

mod abstention;
pub mod by_direction;
pub mod cld3;
pub mod comet_kiwi;
pub mod fasttext;
pub mod firefox;
pub mod http;
pub mod http_translator;
pub mod identifier;
pub mod llm_translator;
pub mod local_llm;
pub mod native_label;
pub mod nllb;
pub mod openai;
pub mod round_trip;
pub mod translation_cache;
pub mod whatlang;
