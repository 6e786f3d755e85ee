//! The two views of each sentence, and the states of a step that takes several passes.

use std::collections::HashMap;

use burn::Tensor;
use burn::tensor::TensorData;
use kernels::Segments;
use models::Network;

use super::config::SimcseConfig;
use super::contrast::{InBatch, contrast, in_batch};
use crate::run::Place;

/// Pooled states [2N, C] of N sentences, each in two places of one pass, where it meets different
/// dropout: the first views, then the second.
pub(super) fn pooled(
    network: &Network,
    sentences: &[Vec<u32>],
    config: &SimcseConfig,
    dropout_seed: Option<u64>,
) -> Tensor<2> {
    let views = || sentences.iter().chain(sentences);
    let ids: Vec<u32> = views().flatten().copied().collect();
    let segments = Segments::new(views().map(Vec::len));
    let spans = segments
        .iter()
        .map(|range| range.map(|token| token as u32).collect());
    let spans: Vec<Vec<u32>> = spans.collect();
    let hidden = network.forward_attending(&ids, &segments, config.attention, dropout_seed);
    config.pooling.pool(hidden, &spans)
}

/// The first and the second N of 2N states.
pub(super) fn split(states: Tensor<2>) -> [Tensor<2>; 2] {
    let [rows, _] = states.dims();
    let half = rows / 2;
    [(0, half), (half, rows - half)].map(|(start, length)| states.clone().narrow(0, start, length))
}

/// The states of all items of a step, computed pass by pass without gradients.
pub(super) struct StepStates {
    step: usize,
    /// Row of each item among N.
    rows: HashMap<usize, usize>,
    /// Gradient of the loss for the states [2N, C].
    gradient: Vec<f32>,
    width: usize,
    measures: InBatch,
    /// Items whose gradient was not taken yet.
    left: usize,
}

impl StepStates {
    /// `states` holds [2B, C] of each pass over B of the `items`, in order.
    pub fn new(step: usize, items: Vec<usize>, states: Vec<Tensor<2>>, temperature: f64) -> Self {
        let (firsts, seconds): (Vec<_>, Vec<_>) = states
            .into_iter()
            .map(|states| {
                let [first, second] = split(states);
                (first, second)
            })
            .unzip();
        let states = Tensor::cat([firsts, seconds].concat(), 0);
        let [_, width] = states.dims();
        let measures = in_batch(states.clone(), temperature);
        let leaf = states.autodiff().require_grad();
        let gradients = contrast(leaf.clone(), temperature).backward();
        let gradient = leaf
            .grad(&gradients)
            .expect("the loss depends on the states");
        Self {
            step,
            left: items.len(),
            rows: items.into_iter().zip(0..).collect(),
            gradient: gradient.into_data().iter::<f32>().collect(),
            width,
            measures,
        }
    }

    /// Whether these are the states of the step at `place`, with those of `batch`.
    pub fn serves(&self, place: &Place, batch: &[usize]) -> bool {
        self.step == place.step
            && self.rows.len() == place.items.len()
            && batch.iter().all(|item| self.rows.contains_key(item))
    }

    /// The gradient for the states [2B, C] of a batch, its share of the loss, and whether
    /// each of its items finds its second view.
    pub fn take(&mut self, batch: &[usize]) -> (TensorData, f64, Vec<bool>) {
        self.left = self.left.saturating_sub(batch.len());
        let own: Vec<usize> = batch.iter().map(|item| self.rows[item]).collect();
        let all = self.rows.len();
        let seconds = own.iter().map(|row| row + all);
        let rows = own.iter().copied().chain(seconds);
        let gradient =
            rows.flat_map(|row| &self.gradient[row * self.width..(row + 1) * self.width]);
        let gradient: Vec<f32> = gradient.copied().collect();
        let loss = own.iter().map(|&row| self.measures.losses[row]).sum();
        let correct = own.iter().map(|&row| self.measures.correct[row]).collect();
        let gradient = TensorData::new(gradient, [2 * batch.len(), self.width]);
        (gradient, loss, correct)
    }

    /// Whether every item's gradient was taken.
    pub fn is_served(&self) -> bool {
        self.left == 0
    }
}
