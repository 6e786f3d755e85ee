//! Grouped-query attention within segments.

mod fast;
mod heads;

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Int};
use burn_flex::FlexTensor;

use crate::cpu::attention::Scoring;
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;
use crate::sight::Sight;
use crate::{Factors, Segments};

use fast::{backward, forward};
pub(crate) use heads::{Heads, HeadsMut};

/// Attention: each token gets the mean of the values it sees, weighted by the softmax of its
/// scores.
///
/// `q` [T, H, D], `k` and `v` [T, KV, D] with H a multiple of KV (head h reads key/value head
/// `h / (H / KV)`) → [T, H, D]. `scale` multiplies the scores, usually 1/√D.
///
/// # Panics
/// If the shapes do not agree with each other or with `segments`, a window is empty, or a segment
/// continues another and [`Sight::Both`] is asked for.
pub fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    scale: f32,
    sight: Sight,
) -> Tensor<3> {
    check(&q, &k, &v, segments);
    assert!(
        sight != Sight::Both || !segments.is_tree(),
        "a beginning that others continue cannot attend to what comes after it"
    );
    assert_ne!(sight, Sight::Window(0), "a token sees itself at least");
    if !(is_fast(&q) && is_fast(&k) && is_fast(&v)) {
        return portable(q, k, v, segments, scale, sight);
    }
    let plan = Plan {
        segments: segments.clone(),
        scoring: Scoring {
            scale,
            sight,
            precision: Factors::current(),
        },
    };
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    Tensor::from_dispatch(<Dispatch as AttentionKernel>::attention(q, k, v, plan))
}

/// [`attention`] in Burn's tensor operations.
pub fn portable(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    scale: f32,
    sight: Sight,
) -> Tensor<3> {
    let outputs: Vec<Tensor<3>> = segments
        .iter()
        .enumerate()
        .filter(|(_, range)| !range.is_empty())
        .map(|(index, range)| {
            let part = |x: &Tensor<3>, range| x.clone().slice_dim(0, range);
            let path = segments.path(index);
            let along =
                |x: &Tensor<3>| Tensor::cat(path.iter().map(|r| part(x, r.clone())).collect(), 0);
            attend(part(&q, range), along(&k), along(&v), scale, sight)
        })
        .collect();
    if outputs.is_empty() {
        q
    } else {
        Tensor::cat(outputs, 0)
    }
}

/// Attention of the last `queries` of `keys` tokens: q [queries, H, D], k and v [keys, KV, D].
pub(crate) fn attend(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    scale: f32,
    sight: Sight,
) -> Tensor<3> {
    let [queries, heads, head_dim] = q.dims();
    let [keys, kv_heads, _] = k.dims();
    let group = heads / kv_heads;
    // [KV, group · queries, D]: query heads with common keys form a single matrix product.
    let q = q
        .reshape([queries, kv_heads, group, head_dim])
        .permute([1, 2, 0, 3])
        .reshape([kv_heads, group * queries, head_dim]);
    let k = k.permute([1, 2, 0]);
    let v = v.swap_dims(0, 1);
    let mut scores = (q.matmul(k) * scale).reshape([kv_heads, group, queries, keys]);
    if let Some(hidden) = hidden_keys(queries, keys, sight, &scores.device()) {
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

/// [queries, keys]: true if the query does not see the key; `None` if it sees all.
fn hidden_keys(
    queries: usize,
    keys: usize,
    sight: Sight,
    device: &Device,
) -> Option<Tensor<2, Bool>> {
    let past = keys as i64 - queries as i64;
    let key = Tensor::<1, Int>::arange(0..keys as i64, device).reshape([1, keys]);
    let key = key.expand([queries, keys]);
    let query = Tensor::<1, Int>::arange(past..keys as i64, device).reshape([queries, 1]);
    let query = query.expand([queries, keys]);
    let later = key.clone().greater(query.clone());
    match sight {
        Sight::Causal => Some(later),
        Sight::Window(size) => Some(later.bool_or((query - size as i64).greater_equal(key))),
        Sight::Both => None,
    }
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

/// Everything about a call except its tensors.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub segments: Segments,
    pub scoring: Scoring,
}

#[backend_extension(Flex, Autodiff)]
trait AttentionKernel: Backend {
    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self>;
}

impl AttentionKernel for Flex {
    fn attention(q: FlexTensor, k: FlexTensor, v: FlexTensor, plan: Plan) -> FlexTensor {
        let (q, k, v) = (contiguous(&q), contiguous(&k), contiguous(&v));
        forward(&q, &k, &v, &plan, None)
    }
}

impl<C: CheckpointStrategy> AttentionKernel for Autodiff<Flex, C> {
    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let nodes = [q.node(), k.node(), v.node()];
        let [q, k, v] = [q, k, v].map(|x| contiguous(x.primitive()));
        match AttentionBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => {
                let saved = Saved::new(q, k, v, plan);
                let output = saved.output.clone();
                preparation.finish(saved, output)
            }
            OpsKind::UnTracked(preparation) => preparation.finish(forward(&q, &k, &v, &plan, None)),
        }
    }
}

#[derive(Debug)]
struct AttentionBackward;

/// Inputs of the backward pass; all contiguous.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    /// [T, H, D].
    pub q: FlexTensor,
    /// [T, KV, D], as `v`.
    pub k: FlexTensor,
    pub v: FlexTensor,
    /// [T, H, D].
    pub output: FlexTensor,
    /// [H, T].
    pub log_sums: FlexTensor,
    pub plan: Plan,
}

impl Saved {
    /// Computes attention, and keeps what the backward pass needs.
    pub fn new(q: FlexTensor, k: FlexTensor, v: FlexTensor, plan: Plan) -> Self {
        let [tokens, heads, _] = dims(&q);
        let mut log_sums = Values::take(heads * tokens);
        let output = forward(&q, &k, &v, &plan, Some(&mut log_sums));
        Self {
            q,
            k,
            v,
            output,
            log_sums: log_sums.into_tensor([heads, tokens]),
            plan,
        }
    }
}

impl Backward<Flex, 3> for AttentionBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
        let (saved, [q, k, v]) = (&ops.state, backward(&ops.state, values(&gradient)));
        let kv_shape: [usize; 3] = dims(&saved.k);
        let gradients = [
            q.into_tensor(dims::<3>(&saved.q)),
            k.into_tensor(kv_shape),
            v.into_tensor(kv_shape),
        ];
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}
