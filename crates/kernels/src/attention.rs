//! Grouped-query attention inside segments.

use burn::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Int};

use crate::Segments;

/// Causal attention: each token attends to itself and the earlier tokens of its segment.
///
/// `q` [T, H, D], `k` and `v` [T, KV, D] with H a multiple of KV (head h reads key/value head
/// `h / (H / KV)`) → [T, H, D]. `scale` multiplies the scores, usually 1/√D.
///
/// # Panics
/// If the shapes do not agree with each other or with `segments`.
pub fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    scale: f32,
) -> Tensor<3> {
    run(q, k, v, segments, scale, Direction::Causal)
}

/// [`attention`] in which each token attends to every token of its segment, as in encoders.
///
/// # Panics
/// If the shapes do not agree with each other or with `segments`.
pub fn bidirectional_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    scale: f32,
) -> Tensor<3> {
    run(q, k, v, segments, scale, Direction::Both)
}

/// Which tokens of its segment a token attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Itself and those before it.
    Causal,
    /// All.
    Both,
}

fn run(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    scale: f32,
    direction: Direction,
) -> Tensor<3> {
    check(&q, &k, &v, segments);
    portable(q, k, v, segments, scale, direction)
}

/// [`attention`] and [`bidirectional_attention`] in Burn's tensor operations.
pub fn portable(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    scale: f32,
    direction: Direction,
) -> Tensor<3> {
    let outputs: Vec<Tensor<3>> = segments
        .iter()
        .filter(|range| !range.is_empty())
        .map(|range| {
            let part = |x: &Tensor<3>| x.clone().slice_dim(0, range.clone());
            attend(part(&q), part(&k), part(&v), scale, direction)
        })
        .collect();
    if outputs.is_empty() {
        q
    } else {
        Tensor::cat(outputs, 0)
    }
}

/// The last `queries` of `keys` tokens attend: q [queries, H, D], k and v [keys, KV, D].
pub(crate) fn attend(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    scale: f32,
    direction: Direction,
) -> Tensor<3> {
    let [queries, heads, head_dim] = q.dims();
    let [keys, kv_heads, _] = k.dims();
    let group = heads / kv_heads;
    // [KV, group · queries, D]: the query heads that share keys become one matrix product.
    let q = q
        .reshape([queries, kv_heads, group, head_dim])
        .permute([1, 2, 0, 3])
        .reshape([kv_heads, group * queries, head_dim]);
    let k = k.permute([1, 2, 0]);
    let v = v.swap_dims(0, 1);
    let mut scores = (q.matmul(k) * scale).reshape([kv_heads, group, queries, keys]);
    if direction == Direction::Causal {
        let hidden = later_tokens(queries, keys, &scores.device());
        scores = scores.mask_fill(
            hidden
                .unsqueeze::<4>()
                .expand([kv_heads, group, queries, keys]),
            f32::NEG_INFINITY,
        );
    }
    softmax(scores, 3)
        .reshape([kv_heads, group * queries, keys])
        .matmul(v)
        .reshape([kv_heads, group, queries, head_dim])
        .permute([2, 0, 1, 3])
        .reshape([queries, heads, head_dim])
}

/// [queries, keys]: true where the key comes after the query.
fn later_tokens(queries: usize, keys: usize, device: &burn::tensor::Device) -> Tensor<2, Bool> {
    let past = (keys - queries) as i64;
    let key = Tensor::<1, Int>::arange(0..keys as i64, device).reshape([1, keys]);
    let query = Tensor::<1, Int>::arange(past..keys as i64, device).reshape([queries, 1]);
    key.expand([queries, keys])
        .greater(query.expand([queries, keys]))
}

pub(crate) fn check(q: &Tensor<3>, k: &Tensor<3>, v: &Tensor<3>, segments: &Segments) {
    let [tokens, heads, head_dim] = q.dims();
    let [_, kv_heads, _] = k.dims();
    assert_eq!(
        k.dims(),
        [tokens, kv_heads, head_dim],
        "keys against queries"
    );
    assert_eq!(v.dims(), k.dims(), "values against keys");
    assert!(
        kv_heads > 0 && heads % kv_heads == 0,
        "{heads} query heads cannot share {kv_heads} key/value heads"
    );
    assert_eq!(segments.tokens(), tokens, "tokens of the segments");
}
