//! Attention of the tokens of one sequence to those of another, e.g. of a decoder to an encoder.

use burn::Tensor;
use burn::backend::Flex;

use crate::attention::{Heads, HeadsMut, attend};
use crate::cpu::attention::{Scoring, forward, one_query};
use crate::cpu::parallel::for_each_task;
use crate::flex::{constant_on, dims, is_fast, plain, primitive, values};
use crate::pool::Values;
use crate::sight::Sight;
use crate::{Factors, Segments};

/// Keys and values of one sequence, computed once and used many times.
#[derive(Debug, Clone)]
pub struct KeyValues {
    tokens: usize,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    /// On any device, and if gradients are needed: [S, KV, D] each.
    Tensors(Box<[Tensor<3>; 2]>),
    /// On the CPU.
    Host {
        keys: Vec<f32>,
        values: Vec<f32>,
        heads: usize,
        head_dim: usize,
    },
}

impl KeyValues {
    /// From keys and values [S, KV, D] each. Those of an autodiff device stay in its graph.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn new(keys: Tensor<3>, values: Tensor<3>) -> Self {
        let [tokens, heads, head_dim] = keys.dims();
        assert_eq!(values.dims(), keys.dims(), "values against keys");
        if keys.is_autodiff() || !(is_fast(&keys) && is_fast(&values)) {
            return Self::portable(keys, values);
        }
        let form = Form::Host {
            keys: copied(keys),
            values: copied(values),
            heads,
            head_dim,
        };
        Self { tokens, form }
    }

    /// The portable form.
    pub fn portable(keys: Tensor<3>, values: Tensor<3>) -> Self {
        Self {
            tokens: keys.dims()[0],
            form: Form::Tensors(Box::new([keys, values])),
        }
    }

    /// Number of tokens to attend to.
    pub fn tokens(&self) -> usize {
        self.tokens
    }
}

fn copied(tensor: Tensor<3>) -> Vec<f32> {
    values(&primitive(plain(tensor))).to_vec()
}

/// Attention of each token of segment i of `queries` to every token of `attended[i]`.
///
/// `q` [T, H, D] → [T, H, D]; H is a multiple of the number of heads attended to. `scale`
/// multiplies the scores. Differentiable if the keys and values are kept as tensors (see
/// [`KeyValues::new`]).
///
/// # Panics
/// If the shapes do not agree, or a non-empty segment has nothing to attend to.
pub fn cross_attention(
    q: Tensor<3>,
    queries: &Segments,
    attended: &[&KeyValues],
    scale: f32,
) -> Tensor<3> {
    let [tokens, _, _] = q.dims();
    assert_eq!(queries.tokens(), tokens, "tokens of the segments");
    assert_eq!(queries.len(), attended.len(), "keys for each segment");
    for (range, keys) in queries.iter().zip(attended) {
        assert!(range.is_empty() || keys.tokens > 0, "no token to attend to");
    }
    let host = |keys: &&KeyValues| matches!(keys.form, Form::Host { .. });
    if is_fast(&q) && attended.iter().all(host) {
        fast(q, queries, attended, scale)
    } else {
        portable(q, queries, attended, scale)
    }
}

fn portable(q: Tensor<3>, queries: &Segments, attended: &[&KeyValues], scale: f32) -> Tensor<3> {
    let mut outputs = Vec::new();
    for (range, keys) in queries.iter().zip(attended) {
        if range.is_empty() {
            continue;
        }
        let Form::Tensors(pair) = &keys.form else {
            panic!("keys of the fast form, queries of another");
        };
        let [k, v] = pair.as_ref().clone();
        let q = q.clone().slice_dim(0, range);
        outputs.push(attend(q, k, v, scale, Sight::Both));
    }
    if outputs.is_empty() {
        q
    } else {
        Tensor::cat(outputs, 0)
    }
}

/// Maximum number of queries with common keys that read them separately; for so few, packing would
/// cost more.
const FEW: usize = 12;

fn fast(q: Tensor<3>, queries: &Segments, attended: &[&KeyValues], scale: f32) -> Tensor<3> {
    let device = q.device();
    let q = primitive(plain(q));
    let shape @ [tokens, heads, head_dim] = dims(&q);
    let mut output = Values::take(tokens * heads * head_dim);
    let rows = HeadsMut::new(&mut output, shape);
    let q = Heads::of(&q);
    let scoring = Scoring {
        scale,
        sight: Sight::Both,
        precision: Factors::current(),
    };
    let run = |task: usize| {
        let (segment, head) = (task / heads, task % heads);
        let range = queries.range(segment);
        if range.is_empty() {
            return;
        }
        let Form::Host {
            keys,
            values,
            heads: kv_heads,
            head_dim: kv_dim,
        } = &attended[segment].form
        else {
            unreachable!("checked by the caller");
        };
        assert!(
            *kv_dim == head_dim && *kv_heads > 0 && heads % kv_heads == 0,
            "{heads} query heads of {head_dim} and {kv_heads} key heads of {kv_dim}"
        );
        let all = 0..attended[segment].tokens;
        let part = |values| {
            let (heads, head_dim) = (*kv_heads, head_dim);
            Heads {
                values,
                heads,
                head_dim,
            }
        };
        let group = heads / kv_heads;
        let k = part(keys).matrix(all.clone(), head / group);
        let v = part(values).matrix(all, head / group);
        let q = q.matrix(range.clone(), head);
        // SAFETY: each (segment, head) pair is one task, so the matrices are disjoint.
        let mut to = unsafe { rows.matrix(range.clone(), head) };
        if range.len() <= FEW {
            for index in 0..range.len() {
                one_query(q.row(index), k, v, scale, to.row_mut(index));
            }
        } else {
            forward(q, k, v, scoring, to, None);
        }
    };
    let keys = queries.iter().zip(attended);
    let work: usize = keys.map(|(range, keys)| range.len() * keys.tokens).sum();
    let tasks = 0..queries.len() * heads;
    for_each_task(tasks, work * heads * head_dim, heads.div_ceil(2), run);
    constant_on(
        &device,
        Tensor::from_primitive::<Flex>(output.into_tensor(shape)),
    )
}
