//! Writing text: greedy or sampled, many sequences at a time.
//!
//! Continuous batching: a sequence that ends leaves the batch and the next prompt enters in the
//! same step, so the batch stays full. Prompts enter longest first, which lets the last ones to
//! run be the shortest. What all prompts begin with (a chat template's opening) is computed once. What a
//! sequence says does not depend on its neighbours: its random numbers
//! come from the seed and its own prompt.

mod sampling;
mod stream;

use std::collections::VecDeque;

use burn::Tensor;
use burn::tensor::{Int, TensorData};
use kernels::{KvCache, Segments, Slot};

pub use sampling::Sampling;
pub use stream::stream;

use crate::language_model::LanguageModel;

/// How text is generated.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationOptions {
    /// Tokens after which a sequence is cut off.
    pub max_new_tokens: usize,
    /// Sequences that run side by side.
    pub batch_size: usize,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Seed of all random choices; with it, a prompt is always continued in the same way.
    pub seed: u64,
    /// Go on past stop tokens; for measuring speed.
    pub ignore_stop_tokens: bool,
}

impl Default for GenerationOptions {
    /// Greedy, at most 128 tokens, 16 sequences side by side.
    fn default() -> Self {
        Self {
            max_new_tokens: 128,
            batch_size: 16,
            sampling: Sampling::Greedy,
            seed: 0,
            ignore_stop_tokens: false,
        }
    }
}

/// A sequence to be continued, with its own limits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prompt {
    /// Tokens that are given.
    pub ids: Vec<u32>,
    /// Maximum number of new tokens, instead of [`GenerationOptions::max_new_tokens`].
    pub max_new_tokens: Option<usize>,
    /// The sequence ends with the token that completes one of these texts.
    pub stop: Vec<String>,
}

impl Prompt {
    fn budget(&self, options: &GenerationOptions) -> usize {
        self.max_new_tokens.unwrap_or(options.max_new_tokens)
    }

    /// Whether what was written holds a stop text.
    fn is_stopped(&self, model: &LanguageModel, written: &[u32]) -> bool {
        !self.stop.is_empty()
            && (model.tokenizer.decode(written))
                .is_ok_and(|text| self.stop.iter().any(|stop| text.contains(stop)))
    }
}

/// Why a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// A stop token or the last token of a stop text was generated.
    Stop,
    /// `max_new_tokens` or the model's context ran out.
    Length,
}

/// What was written after one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// New tokens, the stop token included.
    pub ids: Vec<u32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// Once this many prompt tokens enter in one step, further prompts wait for the next; bounds memory.
const ENTERING_TOKENS: usize = 4096;

/// Continues each prompt; results are in the order of `prompts`. `finished` is told of every
/// sequence that ends (with 1). A prompt that is empty or fills the model's context gets no token
/// and [`FinishReason::Length`].
///
/// Pack the model first ([`LanguageModel::packed`]) where many tokens are to be written.
pub fn generate(
    model: &LanguageModel,
    prompts: &[Vec<u32>],
    options: &GenerationOptions,
    finished: &mut dyn FnMut(usize),
) -> Vec<Generated> {
    let prompt = |ids: &Vec<u32>| Prompt {
        ids: ids.clone(),
        ..Prompt::default()
    };
    let prompts: Vec<Prompt> = prompts.iter().map(prompt).collect();
    generate_each(model, &prompts, options, finished)
}

/// [`generate`] for prompts with limits of their own.
pub fn generate_each(
    model: &LanguageModel,
    prompts: &[Prompt],
    options: &GenerationOptions,
    finished: &mut dyn FnMut(usize),
) -> Vec<Generated> {
    let mut batch = Batch {
        model,
        options,
        cache: model.network.new_cache(),
        running: Vec::new(),
        results: vec![
            Generated {
                ids: vec![],
                finish_reason: FinishReason::Length
            };
            prompts.len()
        ],
    };
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(prompts[index].ids.len()));
    let mut waiting: VecDeque<usize> = VecDeque::new();
    for index in order {
        let prompt = &prompts[index];
        let fits = prompt.ids.len() < model.config.max_position_embeddings;
        if prompt.ids.is_empty() || !fits || prompt.budget(options) == 0 {
            finished(1);
        } else {
            waiting.push_back(index);
        }
    }
    let shared = common_beginning(waiting.iter().map(|&index| prompts[index].ids.as_slice()));
    let beginning = batch.begin(shared);
    loop {
        let mut entering = 0;
        while batch.running.len() < options.batch_size.max(1)
            && entering < ENTERING_TOKENS
            && let Some(index) = waiting.pop_front()
        {
            let slot = match beginning {
                Some(beginning) => batch.cache.fork(beginning),
                None => batch.cache.open(),
            };
            let input = prompts[index].ids[shared.len()..].to_vec();
            entering += input.len();
            batch.running.push(Sequence { index, slot, input });
        }
        if batch.running.is_empty() {
            return batch.results;
        }
        batch.step(prompts, finished);
    }
}

/// The tokens that all of several prompts begin with; at least one token of each is left. Nothing
/// where there is one prompt.
fn common_beginning<'p>(mut prompts: impl Iterator<Item = &'p [u32]>) -> &'p [u32] {
    let (Some(first), Some(second)) = (prompts.next(), prompts.next()) else {
        return &[];
    };
    let open = &first[..first.len() - 1];
    std::iter::once(second)
        .chain(prompts)
        .fold(open, |shared, prompt| {
            let other = &prompt[..prompt.len() - 1];
            let equal = shared.iter().zip(other).take_while(|(a, b)| a == b).count();
            &shared[..equal]
        })
}

struct Batch<'a> {
    model: &'a LanguageModel,
    options: &'a GenerationOptions,
    cache: KvCache,
    running: Vec<Sequence>,
    results: Vec<Generated>,
}

struct Sequence {
    /// Which prompt.
    index: usize,
    slot: Slot,
    /// Tokens the model has not seen: the rest of the prompt at first, then the last token.
    input: Vec<u32>,
}

impl Batch<'_> {
    /// The model has seen `tokens` in the slot that is returned; nothing of no tokens.
    fn begin(&mut self, tokens: &[u32]) -> Option<Slot> {
        if tokens.is_empty() {
            return None;
        }
        let slot = self.cache.open();
        let segments = Segments::single(tokens.len());
        let llama = &self.model.network;
        llama.forward_cached(tokens, &segments, &mut self.cache, &[slot]);
        Some(slot)
    }

    /// One token for every running sequence.
    fn step(&mut self, prompts: &[Prompt], finished: &mut dyn FnMut(usize)) {
        let logits = kernels::together(&self.model.network.device(), || self.next_logits());
        let (options, model, results) = (self.options, self.model, &mut self.results);
        let cache = &mut self.cache;
        let width = model.config.vocab_size;
        let mut rows = logits.chunks_exact(width);
        self.running.retain_mut(|sequence| {
            let row = rows.next().unwrap_or_default();
            let result = &mut results[sequence.index];
            let prompt = &prompts[sequence.index];
            let draw = || sampling::draw(options.seed, &prompt.ids, result.ids.len());
            let token = options.sampling.choose(row, draw);
            result.ids.push(token);
            sequence.input = vec![token];
            let length = prompt.ids.len() + result.ids.len();
            let stopped = !options.ignore_stop_tokens && model.stop_tokens.contains(&token);
            if stopped || prompt.is_stopped(model, &result.ids) {
                result.finish_reason = FinishReason::Stop;
            } else if result.ids.len() < prompt.budget(options)
                && length < model.config.max_position_embeddings
            {
                return true;
            }
            cache.close(sequence.slot);
            finished(1);
            false
        });
    }

    /// Logits after the last token of every running sequence, [running, V] in row-major order.
    fn next_logits(&mut self) -> Vec<f32> {
        let ids: Vec<u32> = self
            .running
            .iter()
            .flat_map(|s| s.input.iter().copied())
            .collect();
        let segments = Segments::new(self.running.iter().map(|sequence| sequence.input.len()));
        let slots: Vec<Slot> = self.running.iter().map(|sequence| sequence.slot).collect();
        let llama = &self.model.network;
        let hidden = llama.forward_cached(&ids, &segments, &mut self.cache, &slots);
        let hidden = if ids.len() == slots.len() {
            hidden
        } else {
            let last: Vec<i64> = segments
                .last_tokens()
                .into_iter()
                .flatten()
                .map(|row| row as i64)
                .collect();
            let count = last.len();
            let rows = TensorData::new(last, [count]);
            hidden.select(0, Tensor::<1, Int>::from_data(rows, &llama.device()))
        };
        llama.logits(hidden).into_data().iter::<f32>().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::common_beginning;

    #[test]
    fn a_beginning_leaves_a_token_of_each_prompt() {
        let shared = |prompts: &[&'static [u32]]| common_beginning(prompts.iter().copied());
        assert_eq!(shared(&[&[1, 2, 3], &[1, 2, 4, 5], &[1, 2, 3]]), [1, 2]);
        assert_eq!(shared(&[&[1, 2], &[1, 2]]), [1]);
        assert_eq!(shared(&[&[1, 2], &[3, 2]]), [] as [u32; 0]);
        assert_eq!(shared(&[&[1, 2]]), [] as [u32; 0]);
        assert_eq!(shared(&[]), [] as [u32; 0]);
    }
}
