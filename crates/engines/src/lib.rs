//! What fills the seams of `corpus`: one engine a file.
//!
//! | seam | engines |
//! |---|---|
//! | `Answerer`, `TextScorer` | [`local_llm`] |
//! | `Translator` | [`firefox`]; [`by_direction`] joins several |
//! | `LanguageIdentifier` | [`whatlang`], [`cld3`], [`fasttext`]; [`identifier`] chooses one |
//! | `QualityEstimator` | [`round_trip`] |

mod abstention;
pub mod by_direction;
pub mod cld3;
pub mod fasttext;
pub mod firefox;
pub mod identifier;
pub mod local_llm;
pub mod native_label;
pub mod round_trip;
pub mod whatlang;
