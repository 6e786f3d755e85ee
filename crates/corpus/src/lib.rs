//! Text: languages, records, the stages of the transfer set, and the seams to engines.
//!
//! A record is followed through the modules in this order:
//! [`source`] reads instructions, [`answer`] adds the LLM's own answers, [`translate`] puts them
//! into the target language, [`filter`] rejects what went wrong, [`code_switch`] mixes words of
//! both languages into the questions, [`mix`] writes the transfer set. [`reverse_instructions`] adds
//! native text to it. [`stage`] runs each of them over files so that a killed run resumes. No tensor
//! appears here.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used)]

pub mod answer;
mod asking;
pub mod calibration;
pub mod chrf;
pub mod code_switch;
pub mod decontamination;
pub mod dictionary;
pub mod file_path;
pub mod filter;
pub mod labelled;
pub mod language;
pub mod language_check;
pub mod mix;
pub mod nearest;
pub mod placeholders;
pub mod plain_words;
pub mod progress;
pub mod ranges;
mod read_ahead;
pub mod record;
pub mod rejected;
pub mod repetition;
pub mod reverse_instructions;
pub mod sampling;
pub mod seam;
pub mod shell;
pub mod source;
pub mod stage;
pub mod template;
pub mod text;
pub mod translate;
pub mod translation;
