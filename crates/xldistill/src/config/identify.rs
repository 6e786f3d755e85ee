//! `[identify]`: what identifies languages.

use std::path::PathBuf;

use engines::identifier::IdentifierEngine;
use serde::{Deserialize, Serialize};

/// `[identify]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identify {
    /// Which engine.
    pub engine: IdentifierEngine,
    /// Its model: CLD3's `lang_id_nn_params.cc`, or a fastText `.bin` or `.ftz` file.
    pub model: Option<PathBuf>,
}
