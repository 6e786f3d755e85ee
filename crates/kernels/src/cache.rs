//! Keys and values of the tokens a decoder has seen.

use burn::Tensor;

use crate::Segments;
use crate::attention::{Direction, attend};

/// Names a sequence in a [`KvCache`].
pub type Slot = usize;

/// Keys and values by layer and sequence. Sequences come and go independently (continuous
/// batching); each grows by its own tokens.
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
struct Past {
    keys: Tensor<3>,
    values: Tensor<3>,
}

impl KvCache {
    /// An empty cache for a decoder of `layers` layers.
    pub fn new(layers: usize) -> Self {
        Self {
            layers,
            sequences: Vec::new(),
        }
    }

    /// Opens an empty sequence; freed slots are used again.
    pub fn open(&mut self) -> Slot {
        let sequence = Sequence {
            layers: vec![None; self.layers],
        };
        self.place(sequence)
    }

    /// Opens a sequence that starts with a copy of all that `slot` has seen (a shared prefix).
    ///
    /// # Panics
    /// If `slot` is not open.
    pub fn fork(&mut self, slot: Slot) -> Slot {
        let copy = self.sequence(slot).clone();
        self.place(copy)
    }

    /// Forgets a sequence.
    ///
    /// # Panics
    /// If `slot` is not open.
    pub fn close(&mut self, slot: Slot) {
        let sequence = self.sequences[slot].take();
        assert!(sequence.is_some(), "cache slot {slot} is not open");
    }

    /// Tokens the sequence has seen (in its first layer, which is ahead of the others during a
    /// forward pass).
    ///
    /// # Panics
    /// If `slot` is not open.
    pub fn length(&self, slot: Slot) -> usize {
        self.sequence(slot).layers[0]
            .as_ref()
            .map_or(0, |past| past.keys.dims()[0])
    }

    /// Positions of the next tokens of each sequence: segment i continues `slots[i]`. Take them
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

/// Causal attention of new tokens over their sequence's past and themselves; their keys and
/// values are added to the cache.
///
/// `q` [T, H, D], `k` and `v` [T, KV, D] of the new tokens; segment i continues `slots[i]` (a
/// whole prompt or one token, mixed freely); `layer` counts from 0. Not differentiable.
///
/// # Panics
/// If the shapes do not agree, a slot is not open or is named twice.
pub fn cached_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    cache: &mut KvCache,
    layer: usize,
    slots: &[Slot],
    scale: f32,
) -> Tensor<3> {
    crate::attention::check(&q, &k, &v, segments);
    assert_eq!(
        segments.len(),
        slots.len(),
        "one cache slot for each segment"
    );
    let mut outputs = Vec::with_capacity(slots.len());
    for (range, &slot) in segments.iter().zip(slots) {
        let part = |x: &Tensor<3>| x.clone().slice_dim(0, range.clone());
        let (keys, values) = (part(&k), part(&v));
        let past = &mut cache.sequences[slot]
            .as_mut()
            .unwrap_or_else(|| panic!("cache slot {slot} is not open"))
            .layers[layer];
        let all = match past.take() {
            Some(past) => Past {
                keys: Tensor::cat(vec![past.keys, keys], 0),
                values: Tensor::cat(vec![past.values, values], 0),
            },
            None => Past { keys, values },
        };
        outputs.push(attend(
            part(&q),
            all.keys.clone(),
            all.values.clone(),
            scale,
            Direction::Causal,
        ));
        *past = Some(all);
    }
    if outputs.is_empty() {
        q
    } else {
        Tensor::cat(outputs, 0)
    }
}
