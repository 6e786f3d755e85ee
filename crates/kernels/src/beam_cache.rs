//! Keys and values of the tokens seen by the beams of a beam search.
//!
//! Beams share most of their past. A search therefore stores the keys and values of each token
//! once, and a beam is a path: the indices of its tokens. Reordering beams copies paths, never
//! keys.

use burn::Tensor;
use burn::backend::Flex;
use burn::tensor::{Int, TensorData};

use crate::Segments;
use crate::attention::{Heads, HeadsMut, attend, check};
use crate::cache::Slot;
use crate::cpu::attention::query_of_path;
use crate::cpu::parallel::for_each_task;
use crate::flex::{constant_on, dims, is_fast, plain, primitive, values};
use crate::pool::Values;
use crate::sight::Sight;

/// Keys and values by layer and search. Searches start and end independently.
#[derive(Debug)]
pub struct BeamCache {
    layers: usize,
    /// One entry for each slot ever used; `None` is free.
    searches: Vec<Option<Search>>,
}

#[derive(Debug)]
struct Search {
    layers: Vec<Option<Stored>>,
    /// For each beam, the indices of its tokens, first to last.
    paths: Vec<Vec<u32>>,
    /// Number of indices used by completed steps.
    places: usize,
}

/// Keys and values of one layer by index, [indices, KV, D] each.
#[derive(Debug)]
enum Stored {
    /// On any device.
    Tensors(Box<[Tensor<3>; 2]>),
    /// On the CPU.
    Host { keys: Vec<f32>, values: Vec<f32> },
}

impl BeamCache {
    /// An empty cache for a decoder of `layers` layers.
    pub fn new(layers: usize) -> Self {
        Self {
            layers,
            searches: Vec::new(),
        }
    }

    /// Opens a search with a single beam and no tokens; freed slots are reused.
    pub fn open(&mut self) -> Slot {
        let search = Search {
            layers: (0..self.layers).map(|_| None).collect(),
            paths: vec![Vec::new()],
            places: 0,
        };
        let free = self.searches.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.searches.len());
        if free.is_none() {
            self.searches.push(None);
        }
        self.searches[slot] = Some(search);
        slot
    }

    /// Removes a search.
    ///
    /// # Panics
    /// If `slot` is not open.
    pub fn close(&mut self, slot: Slot) {
        let search = self.searches[slot].take();
        assert!(search.is_some(), "cache slot {slot} is not open");
    }

    /// Ends a step in which every beam has seen one token in all layers. Beam i of the next step
    /// continues beam `parents[i]` of this one.
    ///
    /// # Panics
    /// If `slot` is not open or has no such beam.
    pub fn advance(&mut self, slot: Slot, parents: &[usize]) {
        let search = self.search_mut(slot);
        let first = search.places;
        let paths = parents.iter().map(|&parent| {
            let mut path = search.paths[parent].clone();
            path.push((first + parent) as u32);
            path
        });
        let paths: Vec<Vec<u32>> = paths.collect();
        search.places += search.paths.len();
        search.paths = paths;
    }

    /// Number of tokens that each beam has seen in completed steps.
    ///
    /// # Panics
    /// If `slot` is not open.
    pub fn length(&self, slot: Slot) -> usize {
        self.search(slot).paths.first().map_or(0, Vec::len)
    }

    /// Number of beams.
    ///
    /// # Panics
    /// If `slot` is not open.
    pub fn beams(&self, slot: Slot) -> usize {
        self.search(slot).paths.len()
    }

    fn search(&self, slot: Slot) -> &Search {
        let search = self.searches.get(slot).and_then(Option::as_ref);
        search.unwrap_or_else(|| panic!("cache slot {slot} is not open"))
    }

    fn search_mut(&mut self, slot: Slot) -> &mut Search {
        let search = self.searches.get_mut(slot).and_then(Option::as_mut);
        search.unwrap_or_else(|| panic!("cache slot {slot} is not open"))
    }
}

/// Attention of each beam's new token to its own past and itself. The keys and values of the new
/// tokens are stored.
///
/// `q` [T, H, D], `k` and `v` [T, KV, D] of one token per beam; segment i of `beams` contains the
/// beams of search `slots[i]` in order. After the last layer, [`BeamCache::advance`] ends the step.
/// Not differentiable: the result carries no gradient.
///
/// # Panics
/// If the shapes do not agree, a slot is not open or occurs twice, or a segment does not contain
/// the beams of its search.
#[expect(
    clippy::too_many_arguments,
    reason = "attention, and where its past lies"
)]
pub fn beam_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    beams: &Segments,
    cache: &mut BeamCache,
    layer: usize,
    slots: &[Slot],
    scale: f32,
) -> Tensor<3> {
    check(&q, &k, &v, beams);
    assert_eq!(beams.len(), slots.len(), "one cache slot for each segment");
    for (index, (&slot, range)) in slots.iter().zip(beams.iter()).enumerate() {
        assert!(
            !slots[..index].contains(&slot),
            "cache slot {slot} is named twice"
        );
        assert_eq!(cache.beams(slot), range.len(), "beams of slot {slot}");
    }
    if is_fast(&q) && is_fast(&k) && is_fast(&v) {
        fast(q, k, v, beams, cache, layer, slots, scale)
    } else {
        portable(q, k, v, beams, cache, layer, slots, scale)
    }
}

/// [`beam_attention`] in Burn's tensor operations.
///
/// # Panics
/// If a search was started by the fast form.
#[expect(clippy::too_many_arguments, reason = "those of `beam_attention`")]
pub fn portable(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    beams: &Segments,
    cache: &mut BeamCache,
    layer: usize,
    slots: &[Slot],
    scale: f32,
) -> Tensor<3> {
    let mut outputs = Vec::new();
    for (range, &slot) in beams.iter().zip(slots) {
        let search = cache.search_mut(slot);
        let part = |x: &Tensor<3>| plain(x.clone()).slice_dim(0, range.clone());
        let new = [part(&k), part(&v)];
        let [keys, values] = match search.layers[layer].take() {
            None => new,
            Some(Stored::Tensors(pair)) => {
                let [keys, values] = *pair;
                let [new_keys, new_values] = new;
                [
                    Tensor::cat(vec![keys, new_keys], 0),
                    Tensor::cat(vec![values, new_values], 0),
                ]
            }
            Some(Stored::Host { .. }) => panic!("slot {slot} was begun by the fast form"),
        };
        for (beam, path) in search.paths.iter().enumerate() {
            let mut places: Vec<i64> = path.iter().map(|&place| i64::from(place)).collect();
            places.push((search.places + beam) as i64);
            let count = places.len();
            let places = TensorData::new(places, [count]);
            let places = Tensor::<1, Int>::from_data(places, &keys.device());
            let row = range.start + beam;
            outputs.push(attend(
                plain(q.clone()).slice_dim(0, row..row + 1),
                keys.clone().select(0, places.clone()),
                values.clone().select(0, places),
                scale,
                Sight::Both,
            ));
        }
        search.layers[layer] = Some(Stored::Tensors(Box::new([keys, values])));
    }
    if outputs.is_empty() {
        return q;
    }
    constant_on(&q.device(), Tensor::cat(outputs, 0))
}

#[expect(clippy::too_many_arguments, reason = "those of `beam_attention`")]
fn fast(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    beams: &Segments,
    cache: &mut BeamCache,
    layer: usize,
    slots: &[Slot],
    scale: f32,
) -> Tensor<3> {
    let device = q.device();
    let [q, k, v] = [q, k, v].map(|x| primitive(plain(x)));
    let shape @ [tokens, heads, head_dim] = dims(&q);
    let [_, kv_heads, _]: [usize; 3] = dims(&k);
    let width = kv_heads * head_dim;
    for (range, &slot) in beams.iter().zip(slots) {
        let search = cache.search_mut(slot);
        let new = range.start * width..range.end * width;
        let stored = search.layers[layer].get_or_insert_with(|| Stored::Host {
            keys: Vec::new(),
            values: Vec::new(),
        });
        let Stored::Host {
            keys,
            values: stored,
        } = stored
        else {
            panic!("cache slot {slot} was begun by the portable form");
        };
        // Drop anything left by an abandoned step.
        keys.truncate(search.places * width);
        stored.truncate(search.places * width);
        assert_eq!(keys.len(), search.places * width, "every layer, every step");
        keys.extend_from_slice(&values(&k)[new.clone()]);
        stored.extend_from_slice(&values(&v)[new]);
    }

    let mut output = Values::take(tokens * heads * head_dim);
    let rows = HeadsMut::new(&mut output, shape);
    let queries = Heads::of(&q);
    let group = heads / kv_heads;
    let cache = &*cache;
    let run = |task: usize| {
        let (segment, head) = (task / heads, task % heads);
        let search = cache.search(slots[segment]);
        let Some(Stored::Host { keys, values }) = &search.layers[layer] else {
            unreachable!("stored above");
        };
        let all = 0..search.places + search.paths.len();
        let past = |values| Heads {
            values,
            heads: kv_heads,
            head_dim,
        };
        let keys = past(keys).matrix(all.clone(), head / group);
        let values = past(values).matrix(all, head / group);
        for (beam, path) in search.paths.iter().enumerate() {
            let row = beams.range(segment).start + beam;
            // SAFETY: each (segment, head) pair is one task and each beam one row, so the
            // matrices are disjoint.
            let mut to = unsafe { rows.matrix(row..row + 1, head) };
            let own = (search.places + beam) as u32;
            let query = queries.matrix(row..row + 1, head).row(0);
            query_of_path(query, keys, values, path, own, scale, to.row_mut(0));
        }
    };
    let paths = slots.iter().flat_map(|&slot| &cache.search(slot).paths);
    let work: usize = paths.map(|path| path.len() + 1).sum();
    let tasks = 0..slots.len() * heads;
    for_each_task(tasks, work * heads * head_dim, heads.div_ceil(2), run);
    constant_on(
        &device,
        Tensor::from_primitive::<Flex>(output.into_tensor(shape)),
    )
}
