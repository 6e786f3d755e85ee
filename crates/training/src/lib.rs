//! From data to a trained model.
//!
//! [`run`] is the training loop, which knows no model and no data. A [`run::Recipe`] defines what
//! is trained; [`fine_tune`] is the first recipe, from the transfer set to a fine-tuned LLM.
//! [`optimizer`] contains what both need: gradients, parameter updates, and parameters by name.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used)]

pub mod optimizer;
mod recipes;
pub mod run;

pub use recipes::fine_tune;
