//! Shows an example of each subset as the model sees it, with the supervised part marked.

use std::collections::BTreeSet;

use corpus::record::{Example, Subset};
use models::LanguageModel;
use models::tokenizer::TokenizerError;

use super::config::TrainConfig;
use super::encode::{EncodeError, Encoder};
use super::objective::weights;

/// An example decoded from its token ids, including special tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Identifier of the example.
    pub id: String,
    /// Its subset.
    pub subset: Subset,
    /// The prompt.
    pub prompt: String,
    /// The supervised part.
    pub supervised: String,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the supervised part.
    pub supervised_tokens: usize,
    /// Weight in the objective, before examples are dropped for their length.
    pub weight: f64,
}

/// Error returned when an example cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// An example could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Its ids could not be decoded.
    #[error(transparent)]
    Decode(#[from] TokenizerError),
}

/// The first example of each subset, encoded for training and decoded again.
pub fn samples(
    model: &LanguageModel,
    examples: &[Example],
    config: &TrainConfig,
) -> Result<Vec<Sample>, InspectError> {
    let encoder = Encoder::new(model, config)?;
    let weights = weights(examples.iter().map(|example| example.subset));
    let mut seen = BTreeSet::new();
    let mut samples = Vec::new();
    for example in examples
        .iter()
        .filter(|example| seen.insert(example.subset))
    {
        let encoded = encoder.encode_one(example)?;
        let (prompt, supervised) = encoded.ids.split_at(encoded.answer_start);
        samples.push(Sample {
            id: encoded.id.clone(),
            subset: encoded.subset,
            prompt: model.tokenizer.decode_with_special(prompt)?,
            supervised: model.tokenizer.decode_with_special(supervised)?,
            prompt_tokens: prompt.len(),
            supervised_tokens: supervised.len(),
            weight: weights[&encoded.subset],
        });
    }
    samples.sort_by_key(|sample| sample.subset);
    Ok(samples)
}
