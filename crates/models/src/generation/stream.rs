//! One answer, token by token as it is written.

use std::ops::ControlFlow;

use super::{Batch, FinishReason, Generated, GenerationOptions, Prompt, Sequence};
use crate::language_model::LanguageModel;

/// Continues one prompt as [`super::generate`] does. `written` is told of the new tokens after each
/// one, and may stop: then the reason is [`FinishReason::Length`].
pub fn stream(
    model: &LanguageModel,
    ids: &[u32],
    options: &GenerationOptions,
    written: &mut dyn FnMut(&[u32]) -> ControlFlow<()>,
) -> Generated {
    let prompts = [Prompt {
        ids: ids.to_vec(),
        ..Prompt::default()
    }];
    let nothing = Generated {
        ids: Vec::new(),
        finish_reason: FinishReason::Length,
    };
    let fits = ids.len() < model.config.max_position_embeddings;
    if ids.is_empty() || !fits || options.max_new_tokens == 0 {
        return nothing;
    }
    let mut batch = Batch {
        model,
        options,
        cache: model.network.new_cache(),
        running: Vec::new(),
        results: vec![nothing],
    };
    let slot = batch.cache.open();
    batch.running.push(Sequence {
        index: 0,
        slot,
        input: ids.to_vec(),
    });
    while !batch.running.is_empty() {
        batch.step(&prompts, &mut |_| {});
        if written(&batch.results[0].ids).is_break() {
            break;
        }
    }
    batch.results.swap_remove(0)
}
