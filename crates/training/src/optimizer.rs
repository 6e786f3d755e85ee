//! Gradients, parameter updates, and a module's trainable parameters by name.

mod adamw;
mod gradients;
mod parameters;

pub use adamw::AdamW;
pub use gradients::Gradients;
pub(crate) use gradients::clipping_factor;
pub use parameters::{
    NamedTensors, ParameterFileError, read_tensors, replace_trainable, train_only, trainable,
    without_parameters, write_tensors,
};
