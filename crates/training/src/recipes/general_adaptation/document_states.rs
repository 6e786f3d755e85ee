//! What is compared between the stack and the LLM itself: hidden states of the same documents.

use burn::Tensor;
use burn::tensor::{Device, TensorData};
use kernels::Segments;
use models::text_input::passes;
use models::{Backbone, BackboneNetwork, EncodedText, Pooling, SourceStates};

use super::document::Document;
use crate::recipes::encoder_states::values;

/// Maximum number of tokens in a pass that is not trained. Not a setting, because the last bits of a
/// state can depend on what shares its pass.
pub const TOKENS_PER_PASS: usize = 2048;

/// Hidden states of some documents.
#[derive(Debug, Clone)]
pub struct DocumentStates {
    /// A row for each document.
    pub pooled: Tensor<2>,
    /// A row for each aligned token of each document, in order.
    pub aligned: Option<Tensor<2>>,
}

/// A side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The LLM itself.
    Llm,
    /// The stack.
    Stack,
}

impl Side {
    fn text(self, document: &Document) -> &EncodedText {
        match self {
            Side::Llm => &document.target,
            Side::Stack => &document.source,
        }
    }

    fn token(self, pair: [u32; 2]) -> u32 {
        match self {
            Side::Llm => pair[0],
            Side::Stack => pair[1],
        }
    }
}

/// The states of `documents` on one side: with `aligned`, also those of aligned tokens, if there are
/// any. Differentiable.
pub fn document_states(
    (backbone, network): (&Backbone, &BackboneNetwork),
    side: Side,
    documents: &[Document],
    aligned: bool,
    source: Option<SourceStates>,
    dropout_seed: Option<u64>,
) -> DocumentStates {
    let texts: Vec<&EncodedText> = documents
        .iter()
        .map(|document| side.text(document))
        .collect();
    let (hidden, segments) = backbone.token_states(network, &texts, source, dropout_seed);
    let tokens: Vec<u32> = match aligned {
        true => aligned_tokens(side, documents, &segments),
        false => Vec::new(),
    };
    let pooling = backbone.settings().pooling;
    DocumentStates {
        aligned: (!tokens.is_empty()).then(|| kernels::embedding(hidden.clone(), &tokens)),
        pooled: pool(pooling, hidden, &segments),
    }
}

/// The aligned tokens of all documents, counted from the beginning of the batch.
fn aligned_tokens(side: Side, documents: &[Document], segments: &Segments) -> Vec<u32> {
    let ranges = segments.iter().map(|range| range.start as u32);
    let of_document = documents.iter().zip(ranges).flat_map(|(document, start)| {
        let pairs = document.aligned.iter();
        pairs.map(move |&pair| start + side.token(pair))
    });
    of_document.collect()
}

fn pool(pooling: Pooling, hidden: Tensor<2>, segments: &Segments) -> Tensor<2> {
    let spans: Vec<Vec<u32>> = (segments.iter())
        .map(|range| (range.start as u32..range.end as u32).collect())
        .collect();
    pooling.pool(hidden, &spans)
}

/// The rows of the LLM's states of each document: the pooled state, then with `aligned` those of its
/// aligned tokens.
pub fn llm_rows(
    llm: (&Backbone, &BackboneNetwork),
    documents: &[Document],
    aligned: bool,
) -> Vec<f32> {
    let mut rows = Vec::new();
    for pass in passes(documents, TOKENS_PER_PASS, |document| {
        document.target.tokens()
    }) {
        let states = document_states(llm, Side::Llm, pass, aligned, None, None);
        let width = states.pooled.dims()[1];
        let pooled = values(states.pooled);
        let tokens = states.aligned.map(values).unwrap_or_default();
        let mut start = 0;
        for (document, pooled) in pass.iter().zip(pooled.chunks_exact(width)) {
            rows.extend_from_slice(pooled);
            if aligned {
                let end = start + document.aligned.len() * width;
                rows.extend_from_slice(&tokens[start..end]);
                start = end;
            }
        }
    }
    rows
}

/// The states that [`llm_rows`] gave for `documents`, as constants of `device`.
pub fn from_llm_rows(
    rows: &[Vec<f32>],
    width: usize,
    aligned: bool,
    device: &Device,
) -> DocumentStates {
    let tensor = |values: Vec<f32>| {
        let shape = [values.len() / width, width];
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    let pooled = rows
        .iter()
        .flat_map(|rows| &rows[..width])
        .copied()
        .collect();
    let tokens: Vec<f32> = rows
        .iter()
        .flat_map(|rows| &rows[width..])
        .copied()
        .collect();
    DocumentStates {
        pooled: tensor(pooled),
        aligned: (aligned && !tokens.is_empty()).then(|| tensor(tokens)),
    }
}
