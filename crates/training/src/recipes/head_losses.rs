//! What heads say of pooled states, and how far it is from the labels.

use burn::Tensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, TensorData};
use corpus::labelled::most_probable;
use models::Head;

/// Log-probabilities [N, K] of N inputs' labels or choices, given their pooled states: [N, C], or
/// for questions of K choices [N·K, C]. Differentiable.
pub fn log_probabilities(head: &Head, states: Tensor<2>) -> Tensor<2> {
    let logits = head.logits(states);
    let logits = match head.kind.scores_choices() {
        false => logits,
        true => {
            let [rows, _] = logits.dims();
            let choices = head.labels.len();
            logits.reshape([rows / choices, choices])
        }
    };
    log_softmax(logits, 1)
}

/// The cross-entropy \[N\] of each input's right label. Differentiable.
pub fn cross_entropies(log_probabilities: Tensor<2>, labels: &[usize]) -> Tensor<1> {
    let device = log_probabilities.device();
    let labels: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
    let rows = labels.len();
    let index = Tensor::<2, Int>::from_data(TensorData::new(labels, [rows, 1]), &device);
    -log_probabilities.gather(1, index).reshape([rows])
}

/// The most probable label of each input; the first of equals.
pub fn predictions(log_probabilities: Tensor<2>) -> Vec<usize> {
    let [_, labels] = log_probabilities.dims();
    let values: Vec<f32> = log_probabilities.into_data().iter().collect();
    values.chunks_exact(labels).map(most_probable).collect()
}
