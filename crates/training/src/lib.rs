//! Gradients: from the transfer set to a fine-tuned model.
//!
//! [`fine_tune`] reads in this order: [`encode`] turns examples into token ids and says which are
//! learnt, [`objective`] weighs every token so that the loss is that of section 3.2.5, [`pack`]
//! deals the examples to optimiser steps and forward passes, [`loss`] lays a batch out flat,
//! [`step`] goes forward and backward and updates with [`optimizer`], [`held_out`] measures,
//! [`checkpoint`] makes it survive a kill, and [`trainer`] is the loop around them.

pub mod checkpoint;
pub mod config;
pub mod early_stopping;
pub mod encode;
pub mod fingerprint;
pub mod folder_lock;
pub mod gradient;
pub mod held_out;
pub mod inspect;
pub mod loss;
pub mod memory;
pub mod metrics;
pub mod objective;
pub mod optimizer;
pub mod pack;
pub mod parameters;
pub mod preflight;
pub mod saved_model;
pub mod schedule;
pub mod shared_prompts;
pub mod step;
pub mod summary;
pub mod tensorboard;
pub mod trainer;

pub use config::TrainConfig;
pub use fingerprint::Fingerprint;
pub use summary::TrainSummary;
pub use trainer::{TrainError, fine_tune, finished};
