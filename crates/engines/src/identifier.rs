//! The engines that identify languages.
//!
//! They are not loaded lazily, because hashing a model reads all of it anyway.

use crate::choice::engines;
use crate::cld3::Cld3Config;
use crate::engine_config::IdentifierConfig;
use crate::fasttext::FastTextConfig;
use crate::whatlang::WhatlangConfig;

engines! {
    /// `[identify]`: language identification.
    ///
    /// Every engine abstains on texts of fewer than 25 letters (3 in scripts of one language), on
    /// names alone, and if it is not sure (CLD3 below 0.7, or 0.5 for Croatian and Bosnian; the
    /// others below 0.5). An abstention keeps the row. If an engine does not know a language, texts
    /// in it are never rejected as wrong language: `xldistill doctor` lists these languages.
    pub enum IdentifyEngine: IdentifierConfig in "identify", default "whatlang" {
        /// whatlang.
        "whatlang" => Whatlang(WhatlangConfig),
        /// CLD3.
        "cld3" => Cld3(Cld3Config),
        /// A fastText model.
        "fasttext" => FastText(FastTextConfig),
    }
}
