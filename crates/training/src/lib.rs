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
pub mod states;
pub mod token_file;

pub use recipes::{
    ChooseBy, ConfigError, EncodedRows, EncodedTask, HeadedNetwork, Origin, Preparation, Ranges,
    RecipeError, RowError, Start, Task, TaskTrainError, TrainedPart, classification,
    cross_entropies, fine_tune, general_adaptation, llm_adapters, llm_tokens, log_probabilities,
    loop_config, mntp, predictions, simcse, task_distillation, text_input,
};
