//! Fine-tuning as a recipe for the training loop.

use std::path::Path;

use artefacts::training::HeldOutLoss;
use burn::module::Module;
use models::{LoraConfig, LoraTargetError, NamedLinears, Network, WeightForm};

use super::config::{ChooseBy, Method, TrainConfig, WrittenMeasure};
use super::error::TrainError;
use super::saved_model::SavedModel;
use super::supervised_set::SupervisedSet;
use super::written::Written;
use crate::run::{Loss, Place, Recipe, Settings};

/// SDRRL and its baselines: the weighted cross-entropy of the answers of a transfer set and, with a
/// teacher, the divergence from its distributions.
pub struct FineTune<'a> {
    /// The training examples.
    pub train: SupervisedSet,
    /// The held-out examples.
    pub held_out: SupervisedSet,
    /// The model without its network.
    pub model: SavedModel,
    /// What the checkpoint is chosen by.
    pub choose_by: ChooseBy,
    /// Held-out questions that the model answers, if its answers are measured.
    pub written: Option<Written<'a>>,
}

impl Recipe for FineTune<'_> {
    type Network = Network;
    type Error = TrainError;

    fn learning_rate_key(&self) -> &'static str {
        "train.learning_rate"
    }

    fn items(&self) -> usize {
        self.train.examples().len()
    }

    fn steps(&self, _: &Settings, epoch: usize) -> Vec<Vec<usize>> {
        self.train.steps(epoch)
    }

    fn cost(&self, item: usize, beside: &[usize]) -> usize {
        self.train.cost(item, beside)
    }

    fn loss(&self, network: &Network, batch: &[usize], place: &Place) -> Result<Loss, TrainError> {
        Ok(self.train.loss(network, batch, place)?)
    }

    fn held_out(&self, network: &Network) -> Result<Option<HeldOutLoss>, TrainError> {
        let mut held_out = self.held_out.held_out_loss(network)?;
        if let (Some(held_out), Some(written)) = (&mut held_out, &self.written) {
            let model = self.model.with(network);
            written.measure(&model, held_out);
        }
        Ok(held_out)
    }

    fn criterion(&self, held_out: &HeldOutLoss) -> f64 {
        let measure = |measure: WrittenMeasure| held_out.losses.get(measure.key()).copied();
        match self.choose_by {
            ChooseBy::Loss => held_out.loss,
            ChooseBy::Chrf => measure(WrittenMeasure::Chrf).map_or(f64::NAN, |chrf| -chrf),
            ChooseBy::OffTarget => {
                // A share of at most 48 answers; the loss only decides between equal ones.
                measure(WrittenMeasure::OffTarget)
                    .map_or(f64::NAN, |share| share + 1e-6 * held_out.loss)
            }
        }
    }

    fn save(&self, network: &Network, folder: &Path) -> Result<(), TrainError> {
        Ok(self.model.write_checkpoint(network, folder)?)
    }

    fn load(&self, network: Network, folder: &Path) -> Result<Network, TrainError> {
        Ok(self.model.read_checkpoint(network, folder)?)
    }
}

/// The network, in which exactly the parameters that `config` trains require gradients.
pub fn prepare(network: Network, config: &TrainConfig) -> Result<Network, LoraTargetError> {
    let network = match config.method {
        Method::Full => network.merge_lora().unfreeze(),
        Method::Lora => {
            let lora = LoraConfig {
                r: config.lora_rank,
                lora_alpha: config.lora_alpha,
                lora_dropout: config.lora_dropout,
                target_modules: config.lora_targets.clone(),
                use_rslora: false,
            };
            let network = network.merge_lora().with_lora(&lora, config.seed)?;
            match config.weight_form() {
                WeightForm::Frozen(format) => network.frozen(format),
                _ => network,
            }
        }
    };
    Ok(network.recomputing(config.recompute).train())
}
