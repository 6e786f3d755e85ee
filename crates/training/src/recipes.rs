//! What can be learnt: one file a recipe.

pub mod classification;
mod encoder_states;
pub mod fine_tune;
pub mod general_adaptation;
mod head_losses;
mod headed;
pub mod llm_adapters;
pub mod llm_tokens;
pub mod loop_config;
pub mod mntp;
mod product;
mod ranges;
mod recipe_error;
pub mod simcse;
mod source_states;
pub mod task_distillation;
mod task_loop;
mod task_rows;
mod task_set;

pub use head_losses::{cross_entropies, log_probabilities, predictions};
pub use headed::{HeadedNetwork, Origin, Preparation, Start, TrainedPart};
pub use ranges::{ConfigError, Ranges};
pub use recipe_error::RecipeError;
pub use task_loop::{ChooseBy, TaskTrainError};
pub use task_rows::{EncodedRows, EncodedTask, RowError, Task, text_input};
