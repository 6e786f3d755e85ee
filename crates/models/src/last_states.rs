//! The state that an LLM has at the last token of a text: what the SDRRL paper takes as the
//! representation of a sentence (section 4.4).

use kernels::Segments;

use crate::language_model::LanguageModel;
use crate::scoring::ScoredSequence;
use crate::tokenizer::TokenizerError;

/// Texts of one forward pass.
const TEXTS_PER_PASS: usize = 16;

/// The last hidden state, after the final norm, of the last token of each text.
///
/// # Errors
/// If a text cannot be tokenized.
pub fn last_states(model: &LanguageModel, texts: &[&str]) -> Result<Vec<Vec<f32>>, TokenizerError> {
    let mut states = Vec::with_capacity(texts.len());
    for texts in texts.chunks(TEXTS_PER_PASS) {
        let sequences = texts
            .iter()
            .map(|text| ScoredSequence::plain(&model.tokenizer, text));
        let sequences = sequences.collect::<Result<Vec<_>, _>>()?;
        let context = model.config.max_position_embeddings;
        let ids: Vec<&[u32]> = sequences
            .iter()
            .map(|sequence| &sequence.ids[..sequence.ids.len().min(context)])
            .collect();
        let segments = Segments::new(ids.iter().map(|ids| ids.len()));
        let hidden = kernels::together(&model.network.device(), || {
            let hidden = model.network.forward(&ids.concat(), &segments);
            let width = hidden.dims()[1];
            let values: Vec<f32> = hidden.into_data().iter::<f32>().collect();
            (values, width)
        });
        let (values, width) = hidden;
        for range in segments.iter() {
            // An empty text of a tokenizer without BOS has no token and no state.
            states.push(
                match range.end.checked_sub(1).filter(|last| *last >= range.start) {
                    Some(last) => values[last * width..][..width].to_vec(),
                    None => vec![0.0; width],
                },
            );
        }
    }
    Ok(states)
}
