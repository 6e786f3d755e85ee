//! The training loop: optimiser steps, learning-rate schedule, clipping, evaluations, early
//! stopping, checkpoints and metrics. It knows no model and no data; those belong to a [`Recipe`].
//!
//! [`train`] reads in this order: a [`Recipe`] assigns its items to steps; [`pack`] assigns the
//! items of a step to forward passes; [`train_step`] runs the forward and backward passes and the
//! update; the log makes progress visible, and checkpoints survive a kill.

mod checkpoint;
mod differences;
mod early_stopping;
mod error;
mod metrics;
mod plan;
mod recipe;
mod schedule;
mod settings;
mod state;
mod step;
mod tensorboard;
mod train;

use burn::module::Module;
use burn::tensor::Device;

pub use checkpoint::{require_same_run, trained_from};
pub use differences::differences;
pub use early_stopping::{BestLoss, EarlyStopping};
pub use error::RunError;
pub use plan::{StepPlan, pack, shuffled_steps};
pub(crate) use plan::{even_ranges, steps_per_epoch};
pub use recipe::{Loss, Means, Place, Recipe};
pub use schedule::{Decay, Schedule, automatic_learning_rate};
pub use settings::Settings;
pub use state::TrainerState;
pub use step::{StepGradients, StepResult, gradients, train_step};
pub use train::train;

/// The device of a network's parameters.
pub(crate) fn device_of<M: Module>(network: &M) -> Device {
    let devices = network.devices();
    devices
        .into_iter()
        .next()
        .expect("a network has parameters")
}
