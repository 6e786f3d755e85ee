//! What can be learnt: one file a recipe.

pub mod fine_tune;
