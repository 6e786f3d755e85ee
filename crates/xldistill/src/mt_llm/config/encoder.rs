//! `[encoder]`: the multilingual encoder.

use engines::model_ref::ModelRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[encoder]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encoder {
    /// Hugging Face directory of NLLB-200 or M2M-100 (of which the encoder is read), of XLM-R or of
    /// BERT.
    pub path: ModelRef,
    /// What the encoder expects before each text, e.g. `"query: "` for multilingual-e5.
    #[serde(default)]
    #[schemars(extend("default-text" = "none"))]
    pub prefix: String,
}
