//! What fills the seams of `corpus`: one engine a file.
//!
//! | seam | engines |
//! |---|---|
//! | `Answerer`, `TextScorer` | [`local_llm`] |
//! | `Translator` | [`firefox`]; [`by_direction`] joins several |
//! | `LanguageIdentifier` | [`whatlang`] |
//! | `QualityEstimator` | [`round_trip`] |

pub mod by_direction;
pub mod firefox;
pub mod local_llm;
pub mod round_trip;
pub mod whatlang;
