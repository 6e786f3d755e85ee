//! The loss on held-out examples.

use std::collections::BTreeMap;

use burn::module::Module;
use corpus::record::Subset;
use kernels::Precision;
use models::llama::Llama;

use crate::checkpoint::HeldOutLoss;
use crate::config::TrainConfig;
use crate::encode::Encoded;
use crate::loss::{Batch, batch_loss};
use crate::metrics::SubsetLosses;
use crate::pack::first_fit_decreasing;

/// Examples with their losses, gathered by subset.
#[derive(Debug, Default)]
pub struct SubsetMeans {
    sums: BTreeMap<Subset, (f64, f64)>,
}

impl SubsetMeans {
    /// Adds the mean cross-entropy of one example's answer.
    pub fn add(&mut self, subset: Subset, loss: f64) {
        let (sum, count) = self.sums.entry(subset).or_default();
        *sum += loss;
        *count += 1.0;
    }

    /// The mean of each subset.
    pub fn means(&self) -> SubsetLosses {
        self.sums
            .iter()
            .map(|(&subset, (sum, count))| (subset, sum / count))
            .collect()
    }
}

/// The loss of `llama` on `examples`: weighted as the objective weighs them, and the mean of each
/// subset. `None` if there are no examples.
pub fn held_out_loss(
    llama: &Llama,
    examples: &[Encoded],
    config: &TrainConfig,
) -> Option<HeldOutLoss> {
    if examples.is_empty() {
        return None;
    }
    let llama = llama.valid();
    let all: Vec<usize> = (0..examples.len()).collect();
    let mut means = SubsetMeans::default();
    let (mut weighted, mut weights) = (0.0, 0.0);
    for indices in first_fit_decreasing(&all, examples, config) {
        let members: Vec<&Encoded> = indices.iter().map(|&index| &examples[index]).collect();
        let batch = Batch::new(&members, config, |_| 1.0);
        let losses = Precision::from(config.precision).scope(|| {
            kernels::together(&llama.device(), || {
                let hidden = llama.forward(&batch.ids, &batch.segments);
                batch_loss(hidden, llama.output_weight(), &batch).example_means
            })
        });
        for (example, loss) in members.into_iter().zip(losses) {
            means.add(example.subset, loss);
            weighted += example.weight * loss;
            weights += example.weight;
        }
    }
    Some(HeldOutLoss {
        loss: weighted / weights,
        losses: means.means(),
    })
}
