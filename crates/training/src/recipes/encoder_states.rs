//! The states of a stack's frozen encoder as rows on disk: for each text, for each layer, the rows of
//! its tokens.

use burn::Tensor;
use burn::tensor::{Device, TensorData};
use models::text_input::passes;
use models::{Backbone, EncodedText, SourceStates};

use crate::states::{States, StatesError};

/// The rows of `texts`, computed in passes of at most `budget` tokens.
///
/// # Panics
/// If `stack` is not a stack.
pub fn encoder_rows(stack: &Backbone, texts: &[&EncodedText], budget: usize) -> Vec<f32> {
    let mut rows = Vec::new();
    for pass in passes(texts, budget, |text| text.tokens()) {
        let states = stack.source_states(pass).expect("a stack has an encoder");
        let width = states.layers[0].dims()[1];
        let layers: Vec<Vec<f32>> = states.layers.into_iter().map(values).collect();
        let mut start = 0;
        for text in pass {
            let end = start + text.tokens() * width;
            for layer in &layers {
                rows.extend_from_slice(&layer[start..end]);
            }
            start = end;
        }
    }
    rows
}

/// The encoder's states of the texts with these places in `states`, laid end to end; `layers` is the
/// number of states of a token.
pub fn kept_encoder_states(
    states: &States,
    places: impl IntoIterator<Item = usize>,
    layers: usize,
    device: &Device,
) -> Result<SourceStates, StatesError> {
    let mut flat = vec![Vec::new(); layers];
    for place in places {
        let rows = states.read(place)?;
        for (layer, rows) in flat.iter_mut().zip(rows.chunks_exact(rows.len() / layers)) {
            layer.extend_from_slice(rows);
        }
    }
    let width = states.width();
    let tensor = |values: Vec<f32>| {
        let shape = [values.len() / width, width];
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    Ok(SourceStates {
        layers: flat.into_iter().map(tensor).collect(),
    })
}

/// The values of a tensor, row by row.
pub fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().iter().collect()
}
