//! Two models, one on top of the other.

mod mt_llm;

pub use mt_llm::{SourceStates, StackNetwork};
