//! The projection before the first step, from words that are one token in both vocabularies (the
//! authors' later recipe, `init_up.py` of their code).

use burn::Tensor;
use burn::module::Param;
use burn::tensor::TensorData;
use corpus::progress::Progress;
use models::text_input::passes;
use models::{Backbone, EncodedText, StackNetwork};

use super::AdaptError;
use super::document::{Document, Documents};
use super::document_states::TOKENS_PER_PASS;
use super::least_squares::{Fit, LeastSquares};
use crate::recipes::encoder_states::values;

/// Words for each input of the projection; a multiple of what the authors' code collects.
const WORDS_PER_INPUT: usize = 50;

/// Documents that are encoded at once.
const CHUNK: usize = 64;

/// Fits the map from the encoder's states of words in `documents` to the LLM's embeddings of them.
/// The last states are read or, if the stack mixes layers, their mean, with which a mix begins.
pub fn fit(
    documents: &Documents,
    numbers: &[usize],
    stack: &Backbone,
    network: &StackNetwork,
    progress: &dyn Progress,
) -> Result<Fit, AdaptError> {
    let [outputs, inputs] = network.up_projection.shape();
    let mut sums = LeastSquares::new(inputs, outputs);
    let enough = WORDS_PER_INPUT * inputs;
    progress.begin("fit the projection", Some(enough as u64));
    for chunk in numbers.chunks(CHUNK) {
        let read = chunk.iter().map(|&number| documents.read(number));
        let read = read.collect::<Result<Vec<Document>, _>>()?;
        let before = sums.count();
        for pass in passes(&read, TOKENS_PER_PASS, |document| document.source.tokens()) {
            let (x, y) = words(pass, stack, network);
            sums.add(&x, &y);
        }
        progress.advance((sums.count() - before) as u64);
        if sums.count() >= enough {
            break;
        }
    }
    progress.end();
    match sums.count() < inputs {
        true => Err(AdaptError::FewWords {
            found: sums.count(),
            needed: inputs,
        }),
        false => Ok(sums.solve()),
    }
}

/// The encoder's states and the LLM's embeddings of the aligned words of some documents.
fn words(documents: &[Document], stack: &Backbone, network: &StackNetwork) -> (Vec<f32>, Vec<f32>) {
    let texts: Vec<&EncodedText> = documents.iter().map(|document| &document.source).collect();
    let (mut sources, mut targets, mut start) = (Vec::new(), Vec::new(), 0);
    for document in documents {
        for &[target, source] in &document.aligned {
            targets.push(document.target.ids[target as usize]);
            sources.push(start + source);
        }
        start += document.source.tokens() as u32;
    }
    if targets.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let layers = stack
        .source_states(&texts)
        .expect("a stack has an encoder")
        .layers;
    let count = layers.len() as f32;
    let sum = layers.into_iter().reduce(|sum, layer| sum + layer);
    let states = sum.expect("an encoder has states") / count;
    let embeddings = network.decoder.token_table().forward(&targets);
    (
        values(kernels::embedding(states, &sources)),
        values(embeddings),
    )
}

/// The network with this projection and no bias.
pub fn with_projection(mut network: StackNetwork, fit: &Fit) -> StackNetwork {
    let [outputs, inputs] = network.up_projection.shape();
    let device = network.up_projection.weight.device();
    let weight = TensorData::new(fit.weight.clone(), [outputs, inputs]);
    network.up_projection.weight = Param::from_tensor(Tensor::from_data(weight, &device));
    network.up_projection.bias = Some(Param::from_tensor(Tensor::zeros([outputs], &device)));
    network
}
