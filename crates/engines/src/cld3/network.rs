//! CLD3's network: summed embeddings, a hidden layer with ReLU, softmax (`EmbeddingNetwork` of the
//! reference implementation; the input layer has no activation).

use super::features::add_features;
use super::parameters::{Layer, Parameters};

/// The most probable label of a cleaned text, and its probability.
pub(super) fn predict(parameters: &Parameters, text: &[u8]) -> (usize, f32) {
    let mut input = vec![0.0; parameters.hidden.inputs];
    add_features(parameters, text, &mut input);
    let mut hidden = apply(&parameters.hidden, &input);
    for value in &mut hidden {
        *value = value.max(0.0);
    }
    let scores = apply(&parameters.softmax, &hidden);
    let mut best = 0;
    for (label, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = label;
        }
    }
    let sum: f32 = scores
        .iter()
        .map(|score| (score - scores[best]).exp())
        .sum();
    (best, 1.0 / sum)
}

fn apply(layer: &Layer, input: &[f32]) -> Vec<f32> {
    let mut output = layer.biases.clone();
    for (weights, &scale) in layer.weights.chunks_exact(layer.outputs).zip(input) {
        // Half of the ReLU outputs are zero.
        if scale != 0.0 {
            for (sum, weight) in output.iter_mut().zip(weights) {
                *sum += weight * scale;
            }
        }
    }
    output
}
