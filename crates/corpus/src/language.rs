//! Languages: one table, every naming scheme.

use serde::{Deserialize, Serialize};

/// A language in a script, one of the 204 of FLORES-200. Serialised as its code, e.g. `por_Latn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Language(u16);
