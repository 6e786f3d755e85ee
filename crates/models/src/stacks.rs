//! Two models, one on top of the other.

mod language_shifts;
mod mt_llm;

pub use language_shifts::{LanguageShifts, MeanStates};
pub use mt_llm::{SourceStates, StackNetwork};
