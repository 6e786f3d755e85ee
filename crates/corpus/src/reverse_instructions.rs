//! Instructions made backwards for native text.
//!
//! Translated answers read like translations. Here the answer is a text that a native writer wrote,
//! untouched, and the instruction is made for it: the text is translated into the source language,
//! the LLM writes the instruction that the translation answers, and the instruction is translated
//! into the language of the text. This is instruction backtranslation (Li et al. 2023, arXiv
//! 2308.06259; LongForm, Köksal et al. 2023, arXiv 2304.08460) across languages, as in MURI (Köksal
//! et al. 2024, arXiv 2409.12958).
//!
//! [`PassageStage`], [`InstructStage`] and [`NativeStage`] follow each other.

mod fit;
mod instruct;
mod native;
mod passages;

pub use fit::Fit;
pub use instruct::{DEFAULT_PROMPT, InstructStage, SolvedExample, TEXT, Writing};
pub use native::NativeStage;
pub use passages::PassageStage;
