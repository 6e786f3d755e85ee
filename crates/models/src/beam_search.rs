//! Beam search over an encoder-decoder, with the results of Transformers' `generate`.
//!
//! Sentences are searched in parallel and independently. A sentence leaves the batch as soon as its
//! own search is over, and the next one takes its place. The encoder runs once per sentence; beams
//! share its keys and values, and their common past.

mod candidates;
mod options;
mod search;

use std::collections::VecDeque;

use burn::Tensor;
use burn::tensor::{Int, TensorData};
use kernels::{BeamCache, Segments, Slot};

pub use options::{BeamOptions, EarlyStopping, OptionsError};

use crate::generation::FinishReason;
use crate::m2m100::{Encoded, M2m100, M2m100Config};
use candidates::Rules;
use search::Search;

/// The best hypothesis for a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Tokens after the decoder's start token, including a forced first token and the end token.
    pub ids: Vec<u32>,
    /// Sum of the log-probabilities divided by length^`length_penalty`; 0 for greedy search.
    pub score: f32,
    /// Whether it ended with the end token.
    pub finish_reason: FinishReason,
}

/// Maximum number of source tokens that enter in one step, after which further sources wait; bounds
/// memory.
const ENTERING_TOKENS: usize = 4096;

/// The best hypothesis for each source (ids as read by the encoder), in the order of `sources`.
/// `finished` is called with 1 for every completed source. A source without tokens gets an empty
/// hypothesis.
///
/// # Panics
/// If an id is not below the model's vocabulary.
pub fn beam_search(
    model: &M2m100,
    config: &M2m100Config,
    sources: &[Vec<u32>],
    options: &BeamOptions,
    finished: &mut dyn FnMut(usize),
) -> Vec<Hypothesis> {
    let nothing = Hypothesis {
        ids: Vec::new(),
        score: 0.0,
        finish_reason: FinishReason::Stop,
    };
    let rules = Rules {
        options,
        start: config.decoder_start_token_id,
        eos: config.eos_token_id,
    };
    let mut batch = Batch {
        model,
        rules,
        cache: model.new_cache(),
        running: Vec::new(),
        results: vec![nothing; sources.len()],
    };
    let mut order: Vec<usize> = (0..sources.len()).collect();
    // Longest first: sentences that run together have similar lengths, and the last to run are the
    // shortest.
    order.sort_by_key(|&index| std::cmp::Reverse(sources[index].len()));
    let mut waiting = VecDeque::new();
    for index in order {
        if sources[index].is_empty() || options.max_new_tokens == 0 {
            finished(1);
        } else {
            waiting.push_back(index);
        }
    }
    let batch_size = options.batch_size.max(1);
    let device = model.device();
    loop {
        // A few at a time, so that the encoder works efficiently.
        let free = batch_size - batch.running.len();
        if free * 4 >= batch_size && !waiting.is_empty() {
            let mut entering = Vec::new();
            let mut tokens = 0;
            while entering.len() < free
                && tokens < ENTERING_TOKENS
                && let Some(index) = waiting.pop_front()
            {
                tokens += sources[index].len();
                entering.push(index);
            }
            kernels::together(&device, || batch.enter(&entering, sources));
        }
        if batch.running.is_empty() {
            return batch.results;
        }
        kernels::together(&device, || batch.step(finished));
    }
}

struct Batch<'a> {
    model: &'a M2m100,
    rules: Rules<'a>,
    cache: BeamCache,
    running: Vec<Sentence<'a>>,
    results: Vec<Hypothesis>,
}

struct Sentence<'a> {
    /// Which source.
    index: usize,
    slot: Slot,
    encoded: Encoded,
    search: Search<'a>,
}

impl<'a> Batch<'a> {
    /// Encodes these sources and starts their searches.
    fn enter(&mut self, entering: &[usize], sources: &[Vec<u32>]) {
        let ids: Vec<u32> = entering.iter().flat_map(|&i| sources[i].clone()).collect();
        let segments = Segments::new(entering.iter().map(|&index| sources[index].len()));
        let hidden = self.model.encode(&ids, &segments);
        let encoded = self.model.encoded(hidden, &segments);
        for (&index, encoded) in entering.iter().zip(encoded) {
            self.running.push(Sentence {
                index,
                slot: self.cache.open(),
                encoded,
                search: Search::new(self.rules),
            });
        }
    }

    /// One token for every beam of every running sentence.
    fn step(&mut self, finished: &mut dyn FnMut(usize)) {
        let beams = Segments::new(self.running.iter().map(|s| s.search.beams().len()));
        let ids: Vec<u32> = (self.running.iter())
            .flat_map(|sentence| sentence.search.beams().iter().map(|beam| beam.last()))
            .collect();
        let sources: Vec<&Encoded> = self.running.iter().map(|s| &s.encoded).collect();
        let slots: Vec<Slot> = self.running.iter().map(|s| s.slot).collect();
        let hidden = self
            .model
            .decode_beams(&ids, &beams, &sources, &mut self.cache, &slots);

        // If the next token is forced, the output layer is not needed.
        let mut rows = Vec::new();
        let mut apart = Vec::new();
        for (sentence, range) in self.running.iter().zip(beams.iter()) {
            if sentence.search.forced().is_none() {
                rows.extend(range.map(|row| row as i64));
                apart.extend(sentence.search.apart());
            }
        }
        let hidden = if rows.len() == ids.len() {
            hidden
        } else {
            let count = rows.len();
            let device = hidden.device();
            let rows = TensorData::new(rows, [count]);
            hidden.select(0, Tensor::<1, Int>::from_data(rows, &device))
        };
        let count = self.rules.options.candidates();
        let mut tops = match apart.is_empty() {
            true => Vec::new(),
            false => self.model.top_tokens(hidden, count, &apart),
        }
        .into_iter()
        .zip(apart);

        let (cache, results) = (&mut self.cache, &mut self.results);
        self.running.retain_mut(|sentence| {
            let search = &mut sentence.search;
            let parents = match search.forced() {
                Some(token) => search.advance_forced(token),
                None => {
                    let count = search.beams().len();
                    search.advance(tops.by_ref().take(count))
                }
            };
            match parents {
                Some(parents) => {
                    cache.advance(sentence.slot, &parents);
                    true
                }
                None => {
                    cache.close(sentence.slot);
                    results[sentence.index] = search.best();
                    finished(1);
                    false
                }
            }
        });
    }
}
