//! What fills the seams of `corpus`: one engine a file.
//!
//! | seam | engines |
//! |---|---|
//! | `Answerer`, `TextScorer` | [`local_llm`] |
//! | `Translator` | [`firefox`] |
//! | `LanguageIdentifier` | [`whatlang`] |
//! | `QualityEstimator` | [`round_trip`] |

pub mod firefox;
pub mod local_llm;
pub mod round_trip;
pub mod whatlang;
