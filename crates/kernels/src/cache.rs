//! Keys and values of the tokens that a decoder has seen.

use burn::Tensor;
use burn::backend::Flex;

use crate::attention::{Heads, HeadsMut, attend};
use crate::cpu::attention::{Scoring, forward};
use crate::cpu::parallel::for_each_task;
use crate::flex::{constant_on, dims, is_fast, plain, primitive, values};
use crate::pool::Values;
use crate::sight::Sight;
use crate::{Factors, Segments};

/// Identifies a sequence in a [`KvCache`].
pub type Slot = usize;

/// Keys and values by layer and sequence. Sequences start and end independently (continuous
/// batching), and each grows by its own tokens.
#[derive(Debug)]
pub struct KvCache {
    layers: usize,
    /// One entry for each slot ever used; `None` is free.
    sequences: Vec<Option<Sequence>>,
}

#[derive(Debug, Clone)]
struct Sequence {
    layers: Vec<Option<Past>>,
}

/// Keys and values of one layer, [past, KV, D] each.
#[derive(Debug, Clone)]
enum Past {
    /// On any device; a new pair of tensors for each append.
    Tensors(Box<[Tensor<3>; 2]>),
    /// On the CPU: grows in place, doubling when full.
    Host {
        keys: Vec<f32>,
        values: Vec<f32>,
        /// Elements per token: KV · D.
        width: usize,
    },
}

impl Past {
    fn tokens(&self) -> usize {
        match self {
            Self::Tensors(pair) => pair[0].dims()[0],
            Self::Host { keys, width, .. } => keys.len() / width,
        }
    }

    /// Removes all tokens but the first `tokens`.
    fn truncate(&mut self, tokens: usize) {
        match self {
            Self::Tensors(pair) => {
                **pair = pair.clone().map(|x| x.slice_dim(0, 0..tokens));
            }
            Self::Host {
                keys,
                values,
                width,
            } => {
                keys.truncate(tokens * *width);
                values.truncate(tokens * *width);
            }
        }
    }
}

impl KvCache {
    /// An empty cache for a decoder of `layers` layers.
    pub fn new(layers: usize) -> Self {
        Self {
            layers,
            sequences: Vec::new(),
        }
    }

    /// Opens an empty sequence; freed slots are reused.
    pub fn open(&mut self) -> Slot {
        let sequence = Sequence {
            layers: vec![None; self.layers],
        };
        self.place(sequence)
    }

    /// Opens a sequence that starts with a copy of everything `slot` has seen (a shared prefix).
    ///
    /// # Panics
    /// If `slot` is not open.
    pub fn fork(&mut self, slot: Slot) -> Slot {
        let copy = self.sequence(slot).clone();
        self.place(copy)
    }

    /// Removes a sequence.
    ///
    /// # Panics
    /// If `slot` is not open.
    pub fn close(&mut self, slot: Slot) {
        let sequence = self.sequences[slot].take();
        assert!(sequence.is_some(), "cache slot {slot} is not open");
    }

    /// Removes all but the first `tokens` of a sequence.
    ///
    /// # Panics
    /// If `slot` is not open or has seen fewer.
    pub fn truncate(&mut self, slot: Slot, tokens: usize) {
        let length = self.length(slot);
        assert!(tokens <= length, "cannot keep {tokens} of {length} tokens");
        let layers = self.sequences[slot].iter_mut().flat_map(|s| &mut s.layers);
        for past in layers.flatten() {
            past.truncate(tokens);
        }
    }

    /// Number of tokens that the sequence has seen (in its first layer, which is ahead of the
    /// others during a forward pass).
    ///
    /// # Panics
    /// If `slot` is not open.
    pub fn length(&self, slot: Slot) -> usize {
        self.sequence(slot).layers[0]
            .as_ref()
            .map_or(0, Past::tokens)
    }

    /// Positions of the next tokens of each sequence; segment i continues `slots[i]`. Call it
    /// before the first layer runs.
    ///
    /// # Panics
    /// If a slot is not open.
    pub fn positions(&self, segments: &Segments, slots: &[Slot]) -> Vec<u32> {
        segments
            .iter()
            .zip(slots)
            .flat_map(|(range, &slot)| {
                let past = self.length(slot) as u32;
                past..past + range.len() as u32
            })
            .collect()
    }

    fn layer_length(&self, slot: Slot, layer: usize) -> usize {
        let past = self.sequence(slot).layers[layer].as_ref();
        past.map_or(0, Past::tokens)
    }

    fn past(&mut self, slot: Slot, layer: usize) -> &mut Option<Past> {
        let sequence = self.sequences.get_mut(slot).and_then(Option::as_mut);
        let sequence = sequence.unwrap_or_else(|| panic!("cache slot {slot} is not open"));
        &mut sequence.layers[layer]
    }

    fn place(&mut self, sequence: Sequence) -> Slot {
        let free = self.sequences.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.sequences.len());
        if free.is_none() {
            self.sequences.push(None);
        }
        self.sequences[slot] = Some(sequence);
        slot
    }

    fn sequence(&self, slot: Slot) -> &Sequence {
        self.sequences
            .get(slot)
            .and_then(Option::as_ref)
            .unwrap_or_else(|| panic!("cache slot {slot} is not open"))
    }
}

/// Attention of new tokens to their sequence's past and themselves. Their keys and values are added
/// to the cache.
///
/// `q` [T, H, D], `k` and `v` [T, KV, D] of the new tokens; segment i continues `slots[i]` with a
/// whole prompt or a single token, in any combination; `layer` counts from 0. Not differentiable:
/// the result carries no gradient.
///
/// # Panics
/// If the shapes do not agree, a slot is not open or is named twice.
#[expect(
    clippy::too_many_arguments,
    reason = "attention, and where its past lies"
)]
pub fn cached_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    cache: &mut KvCache,
    layer: usize,
    slots: &[Slot],
    scale: f32,
    sight: Sight,
) -> Tensor<3> {
    crate::attention::check(&q, &k, &v, segments);
    assert!(
        !segments.is_tree(),
        "what comes before a segment is in the cache"
    );
    assert_eq!(
        segments.len(),
        slots.len(),
        "one cache slot for each segment"
    );
    for (index, slot) in slots.iter().enumerate() {
        assert!(
            !slots[..index].contains(slot),
            "cache slot {slot} is named twice"
        );
        cache.sequence(*slot);
    }
    if is_fast(&q) && is_fast(&k) && is_fast(&v) {
        fast(q, k, v, segments, cache, layer, slots, scale, sight)
    } else {
        portable(q, k, v, segments, cache, layer, slots, scale, sight)
    }
}

/// [`cached_attention`] in Burn's tensor operations.
///
/// # Panics
/// If a sequence was started by the fast form.
#[expect(clippy::too_many_arguments, reason = "those of `cached_attention`")]
pub fn portable(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    cache: &mut KvCache,
    layer: usize,
    slots: &[Slot],
    scale: f32,
    sight: Sight,
) -> Tensor<3> {
    let mut outputs = Vec::with_capacity(slots.len());
    for (range, &slot) in segments.iter().zip(slots) {
        if range.is_empty() {
            continue;
        }
        let part = |x: &Tensor<3>| x.clone().slice_dim(0, range.clone());
        let (new_keys, new_values) = (part(&k), part(&v));
        let past = cache.past(slot, layer);
        let [keys, values] = match past.take() {
            None => [new_keys, new_values],
            Some(Past::Tensors(pair)) => {
                let [keys, values] = *pair;
                [
                    Tensor::cat(vec![keys, new_keys], 0),
                    Tensor::cat(vec![values, new_values], 0),
                ]
            }
            Some(Past::Host { .. }) => panic!("cache slot {slot} was begun by the fast form"),
        };
        outputs.push(attend(part(&q), keys.clone(), values.clone(), scale, sight));
        *past = Some(Past::Tensors(Box::new([keys, values])));
    }
    if outputs.is_empty() {
        q
    } else {
        Tensor::cat(outputs, 0)
    }
}

#[expect(clippy::too_many_arguments, reason = "those of `cached_attention`")]
fn fast(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    cache: &mut KvCache,
    layer: usize,
    slots: &[Slot],
    scale: f32,
    sight: Sight,
) -> Tensor<3> {
    let device = q.device();
    let [q, k, v] = [q, k, v].map(|x| primitive(plain(x)));
    let shape @ [tokens, heads, head_dim] = dims(&q);
    let [_, kv_heads, _]: [usize; 3] = dims(&k);
    let width = kv_heads * head_dim;
    for (range, &slot) in segments.iter().zip(slots) {
        let new = range.start * width..range.end * width;
        let past = cache.past(slot, layer).get_or_insert_with(|| Past::Host {
            keys: Vec::new(),
            values: Vec::new(),
            width,
        });
        let Past::Host {
            keys,
            values: stored,
            ..
        } = past
        else {
            panic!("cache slot {slot} was begun by the portable form");
        };
        keys.extend_from_slice(&values(&k)[new.clone()]);
        stored.extend_from_slice(&values(&v)[new]);
    }

    let scoring = Scoring {
        scale,
        sight,
        precision: Factors::current(),
    };
    let mut output = Values::take(tokens * heads * head_dim);
    let rows = HeadsMut::new(&mut output, shape);
    let queries = Heads::of(&q);
    let group = heads / kv_heads;
    let cache = &*cache;
    let run = |task: usize| {
        let (segment, head) = (task / heads, task % heads);
        let range = segments.range(segment);
        if range.is_empty() {
            return;
        }
        let Some(Past::Host { keys, values, .. }) = &cache.sequence(slots[segment]).layers[layer]
        else {
            unreachable!("appended above");
        };
        let seen = 0..keys.len() / width;
        let past = |values| Heads {
            values,
            heads: kv_heads,
            head_dim,
        };
        // SAFETY: each (segment, head) pair is one task, so the matrices are disjoint.
        let to = unsafe { rows.matrix(range.clone(), head) };
        forward(
            queries.matrix(range, head),
            past(keys).matrix(seen.clone(), head / group),
            past(values).matrix(seen, head / group),
            scoring,
            to,
            None,
        );
    };
    let tasks = 0..slots.len() * heads;
    let work: usize = (segments.iter().zip(slots))
        .map(|(range, &slot)| range.len() * cache.layer_length(slot, layer) * heads * head_dim)
        .sum();
    for_each_task(tasks, work, 1, run);
    constant_on(
        &device,
        Tensor::from_primitive::<Flex>(output.into_tensor(shape)),
    )
}
