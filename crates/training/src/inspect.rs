//! What the model sees of each subset, and which part of it is learnt.

use std::collections::BTreeSet;
use std::fmt;

use corpus::record::{Example, Subset};
use models::LanguageModel;
use models::tokenizer::TokenizerError;

use crate::config::TrainConfig;
use crate::encode::{EncodeError, Encoder};

/// An example decoded from its token ids, special tokens included.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Identifier of the example.
    pub id: String,
    /// Its subset.
    pub subset: Subset,
    /// What is given.
    pub prompt: String,
    /// What is learnt.
    pub supervised: String,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the supervised part.
    pub supervised_tokens: usize,
    /// Weight in the objective.
    pub weight: f64,
}

/// Why there is no sample.
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
            weight: encoded.weight,
        });
    }
    samples.sort_by_key(|sample| sample.subset);
    Ok(samples)
}

impl fmt::Display for Sample {
    /// The text with its supervised part between ⟦ and ⟧, under a line that describes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {}: {} tokens given, {} learnt, weight {:.3}",
            self.subset.name(),
            self.id,
            self.prompt_tokens,
            self.supervised_tokens,
            self.weight
        )?;
        write!(f, "{}⟦{}⟧", self.prompt, self.supervised)
    }
}
