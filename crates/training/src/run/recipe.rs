//! The interface between the loop and what is trained.

use std::collections::BTreeMap;
use std::path::Path;

use artefacts::training::{HeldOutLoss, Losses};
use burn::Tensor;
use burn::module::Module;

use super::plan::shuffled_steps;
use super::{RunError, Settings};
use crate::optimizer::{read_tensors, replace_trainable, trainable, write_tensors};

/// Name of the file of trained parameters in a checkpoint, unless the recipe has its own.
const PARAMETERS_FILE: &str = "parameters.safetensors";

/// What is trained and how: the items, their cost, their loss, and how the trained network is
/// saved. [`train`](super::train) knows nothing else.
///
/// Items are numbers below [`Recipe::items`]; only the recipe knows what they stand for, so it may
/// hold them in memory, read them when their batch is computed, or number the items of a stream by
/// their position. Everything that is not trained (a teacher, tokenizers, cached targets) belongs
/// to the recipe. Everything that is trained belongs to the network, whose parameters without
/// gradients stay unchanged.
///
/// Recipes that this was designed for besides [`fine_tune`](crate::fine_tune):
/// - [*General adaptation*](crate::general_adaptation) (MT-LLM, arXiv 2406.12739, stage 1): the
///   network is projection and LLM with adapters; the recipe holds the frozen encoder, the teacher,
///   which is the same LLM without its adapters, and the documents as tokens on disk. `cost` is a
///   length, `loss` reads the batch's documents, pools both models' states and gives their mean
///   squared error. The default `save` and `load` keep the projection and the adapters.
/// - *Task distillation* (stage 2) is the same with cached states as targets: a memory-mapped file
///   of the recipe, indexed by item.
/// - *Classification*: the network is any backbone with heads; `loss` is the cross-entropy of
///   labels, the held-out accuracy a named part beside it and the [`Recipe::criterion`].
/// - *Self-distillation and xCoT* (arXiv 2401.07037): as fine-tuning, with the Kullback-Leibler
///   divergence to the teacher's top-k log-probabilities, which the recipe computed once and caches
///   by item; both terms are named parts.
/// - *Balanced or grouped steps*: [`Recipe::steps`] decides which items meet in a step.
pub trait Recipe {
    /// The network to train. Parameters are named by their path of field names.
    type Network: Module;

    /// Error returned when items cannot be read or parameters cannot be saved.
    type Error: From<RunError>;

    /// Number of training items.
    fn items(&self) -> usize;

    /// The items of each optimiser step of an epoch. They depend on `settings` and `epoch` only, so
    /// that a resumed run sees the same items as an uninterrupted one. Every epoch has the same
    /// number of steps.
    ///
    /// By default, all items are shuffled and distributed over steps whose sizes differ by at most
    /// one.
    fn steps(&self, settings: &Settings, epoch: usize) -> Vec<Vec<usize>> {
        shuffled_steps(self.items(), settings.items_per_step, settings.seed, epoch)
    }

    /// Number of tokens that `item` adds to a forward pass over the items `beside`.
    fn cost(&self, item: usize, beside: &[usize]) -> usize;

    /// The loss of the items of one forward pass of the step at `place`. The losses of a step's
    /// passes are summed, so a mean over the step's items must be taken over [`Place::items`], not
    /// over `batch`.
    fn loss(
        &self,
        network: &Self::Network,
        batch: &[usize],
        place: &Place,
    ) -> Result<Loss, Self::Error>;

    /// The key of the config that the learning rate comes from, e.g. `train.learning_rate`.
    fn learning_rate_key(&self) -> &'static str;

    /// The loss of `network`, which tracks no gradients, on the held-out items; `None` without any.
    fn held_out(&self, network: &Self::Network) -> Result<Option<HeldOutLoss>, Self::Error>;

    /// What the best parameters have the lowest value of: by default the held-out loss.
    fn criterion(&self, held_out: &HeldOutLoss) -> f64 {
        held_out.loss
    }

    /// Writes the trained parameters, exactly, into the checkpoint `folder`.
    fn save(&self, network: &Self::Network, folder: &Path) -> Result<(), Self::Error> {
        let written = write_tensors(&folder.join(PARAMETERS_FILE), &trainable(network));
        Ok(written.map_err(RunError::from)?)
    }

    /// `network` with the parameters that [`Recipe::save`] wrote.
    fn load(&self, network: Self::Network, folder: &Path) -> Result<Self::Network, Self::Error> {
        let path = folder.join(PARAMETERS_FILE);
        let device = super::device_of(&network);
        let tensors = read_tensors(&path, &device).map_err(RunError::from)?;
        Ok(replace_trainable(network, tensors, &path).map_err(RunError::from)?)
    }
}

/// Position of a forward pass in a run.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Number of the optimiser step, from 0.
    pub step: usize,
    /// All items of the step.
    pub items: &'a [usize],
    /// Seed of the pass's dropout: a function of the run's seed and the position.
    pub dropout_seed: u64,
}

/// The loss of one forward pass.
#[derive(Debug)]
pub struct Loss {
    /// The tensor to differentiate, shape `[1]`.
    pub tensor: Tensor<1>,
    /// Its value.
    pub value: f64,
    /// Its named parts, for the log.
    pub parts: Means,
    /// Number of tokens of the items.
    pub tokens: usize,
}

/// Means of values by name.
#[derive(Debug, Clone, Default)]
pub struct Means {
    sums: BTreeMap<String, (f64, f64)>,
}

impl Means {
    /// Adds a value to the mean called `name`.
    pub fn add(&mut self, name: &str, value: f64) {
        let (sum, count) = match self.sums.get_mut(name) {
            Some(entry) => entry,
            None => self.sums.entry(name.to_owned()).or_default(),
        };
        *sum += value;
        *count += 1.0;
    }

    /// Adds all values of `other`.
    pub fn extend(&mut self, other: Means) {
        for (name, (sum, count)) in other.sums {
            let (sums, counts) = self.sums.entry(name).or_default();
            *sums += sum;
            *counts += count;
        }
    }

    /// The means.
    pub fn means(&self) -> Losses {
        let mean = |(name, (sum, count)): (&String, &(f64, f64))| (name.clone(), sum / count);
        self.sums.iter().map(mean).collect()
    }
}
