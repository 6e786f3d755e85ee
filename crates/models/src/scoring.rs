//! How probable a text is: the log-probability of each of its tokens.

mod alternatives;

use std::ops::Range;

use kernels::{Segments, linear_cross_entropy};

pub use alternatives::log_probabilities_of_alternatives;

use crate::language_model::LanguageModel;
use crate::tokenizer::{Tokenizer, TokenizerError};

/// A sequence of which the tokens from `from` on are scored; the ones before are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoredSequence {
    /// All tokens.
    pub ids: Vec<u32>,
    /// First scored token. The first token of a sequence has nothing before it and is never
    /// scored, so 0 means 1.
    pub from: usize,
}

impl ScoredSequence {
    /// Plain text, scored from its first token on: BOS is prepended where the tokenizer has one.
    pub fn plain(tokenizer: &Tokenizer, text: &str) -> Result<Self, TokenizerError> {
        let mut ids = tokenizer.encode_plain(text)?;
        if let Some(bos) = tokenizer.bos_id()
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        Ok(Self { ids, from: 1 })
    }

    /// A continuation of a plain text: the tokens of both together, scored from where those of
    /// `context` alone end. White space that ends `context` counts as the continuation's, since it
    /// is part of the next word's token in most vocabularies (lm-evaluation-harness, `_encode_pair`).
    pub fn continuation(
        tokenizer: &Tokenizer,
        context: &str,
        continuation: &str,
    ) -> Result<Self, TokenizerError> {
        let given = context.trim_end();
        if given.is_empty() {
            return Self::plain(tokenizer, &format!("{context}{continuation}"));
        }
        Ok(Self {
            from: tokenizer.encode_plain(given)?.len(),
            ids: tokenizer.encode_plain(&format!("{context}{continuation}"))?,
        })
    }
}

/// Tokens of one forward pass; bounds memory.
const TOKENS_PER_PASS: usize = 2048;

/// Natural-log probability of each scored token given all before it, for each sequence.
///
/// A sequence beyond the model's context is scored in windows that overlap by half, so that every
/// token sees at least half a context. `scored` is told of every finished sequence (with 1).
pub fn log_probabilities(
    model: &LanguageModel,
    sequences: &[ScoredSequence],
    scored: &mut dyn FnMut(usize),
) -> Vec<Vec<f32>> {
    let context = model.config.max_position_embeddings;
    let windows: Vec<Window> = sequences
        .iter()
        .enumerate()
        .flat_map(|(index, sequence)| windows(index, sequence, context))
        .collect();
    let mut results = vec![Vec::new(); sequences.len()];
    let mut done = 0;
    for pass in passes(&windows) {
        let ids: Vec<u32> = pass
            .iter()
            .flat_map(|window| &sequences[window.sequence].ids[window.tokens.clone()])
            .copied()
            .collect();
        let segments = Segments::new(pass.iter().map(|window| window.tokens.len()));
        let mut targets = vec![kernels::IGNORE; ids.len()];
        for (window, range) in pass.iter().zip(segments.iter()) {
            for position in window.scored.clone() {
                let row = range.start + position - window.tokens.start;
                targets[row - 1] = ids[row];
            }
        }
        let weights = vec![1.0; ids.len()];
        let losses = kernels::together(&model.network.device(), || {
            let hidden = model.network.forward(&ids, &segments);
            let output_weight = model.network.output_weight();
            linear_cross_entropy(hidden, output_weight, &targets, &weights).token_losses
        });
        for (window, range) in pass.iter().zip(segments.iter()) {
            results[window.sequence].extend(
                window
                    .scored
                    .clone()
                    .map(|position| -losses[range.start + position - window.tokens.start - 1]),
            );
        }
        let finished = pass.last().map_or(done, |window| window.sequence);
        scored(finished - done);
        done = finished;
    }
    scored(sequences.len() - done);
    results
}

/// A part of a sequence that fits the context, and the positions scored in it.
struct Window {
    sequence: usize,
    tokens: Range<usize>,
    scored: Range<usize>,
}

fn windows(index: usize, sequence: &ScoredSequence, context: usize) -> Vec<Window> {
    let length = sequence.ids.len();
    let mut next = sequence.from.max(1);
    let mut windows = Vec::new();
    while next < length {
        let start = if length <= context {
            0
        } else {
            next.saturating_sub(context / 2)
        };
        let end = length.min(start + context);
        windows.push(Window {
            sequence: index,
            tokens: start..end,
            scored: next..end,
        });
        next = end;
    }
    windows
}

/// Consecutive windows of at most [`TOKENS_PER_PASS`] tokens together, at least one each.
fn passes(windows: &[Window]) -> Vec<&[Window]> {
    let mut passes = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (index, window) in windows.iter().enumerate() {
        if index > start && tokens + window.tokens.len() > TOKENS_PER_PASS {
            passes.push(&windows[start..index]);
            (start, tokens) = (index, 0);
        }
        tokens += window.tokens.len();
    }
    if start < windows.len() {
        passes.push(&windows[start..]);
    }
    passes
}
