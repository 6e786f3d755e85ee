//! What is done to all linear layers of a network: adapters, freezing, packing. A network only has
//! to list its layers.

use burn::module::Module;
use kernels::Precision;

use super::{Linear, LoraConfig, LoraTargetError};

/// A network whose linear layers have names.
pub trait NamedLinears: Module {
    /// The linear layers of the blocks by their full names, as in checkpoints.
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)>;

    /// The linear layers of the blocks; they share the memory of their weights with the network.
    fn linears(&self) -> Vec<(String, Linear)> {
        let mut copy = self.clone();
        let layers = copy.linears_mut().into_iter();
        layers.map(|(name, layer)| (name, layer.clone())).collect()
    }

    /// Replaces each linear layer of the blocks; the closure receives its full name.
    fn map_linears(mut self, mut map: impl FnMut(&str, Linear) -> Linear) -> Self {
        for (name, layer) in self.linears_mut() {
            *layer = map(&name, layer.clone());
        }
        self
    }

    /// The network in [`WeightForm::Frozen`](super::WeightForm::Frozen), in which only the adapters
    /// of its blocks are trained; one that is already frozen stays unchanged.
    ///
    /// # Panics
    /// If it was packed for inference.
    #[must_use]
    fn frozen(self, format: Precision) -> Self {
        self.map_linears(|_, layer| layer.frozen(format))
    }

    /// A copy for inference: adapters merged, weights in the fastest form. It can be neither trained
    /// nor saved. Drop the original afterwards, so that the weights are in memory only once.
    fn packed(&self, format: Precision) -> Self {
        let copy = self.clone().valid();
        copy.map_linears(|_, layer| layer.packed(format))
    }

    /// Whether the blocks' weights were freed after packing, for inference or for the training of
    /// adapters.
    fn is_packed(&self) -> bool {
        let linears = self.linears();
        linears.iter().any(|(_, layer)| !layer.holds_parameter())
    }

    /// Freezes the network and attaches fresh adapters; A is drawn from `seed`.
    ///
    /// # Errors
    /// If the config names a layer that the network does not have.
    fn with_lora(self, config: &LoraConfig, seed: u64) -> Result<Self, LoraTargetError> {
        config.check_targets(self.linears().into_iter().map(|(name, _)| name))?;
        Ok(self.freeze().map_linears(|name, layer| {
            if config.adapts(name) {
                layer.with_lora(name, config, seed)
            } else {
                layer
            }
        }))
    }

    /// The network without its adapters. It shares the memory of its weights with `self` and tracks
    /// no gradients.
    fn without_adapters(&self) -> Self {
        self.valid().map_linears(|_, layer| layer.without_adapter())
    }

    /// The network with all adapters merged into their weights.
    #[must_use]
    fn merge_lora(self) -> Self {
        self.map_linears(|_, layer| layer.merged())
    }
}
