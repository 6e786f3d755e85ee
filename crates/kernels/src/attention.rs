//! Grouped-query attention inside segments.

use std::marker::PhantomData;
use std::ops::Range;

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Int};
use burn_flex::FlexTensor;

use crate::cpu::attention::{self as cpu, Scoring};
use crate::cpu::buffer::Buffer;
use crate::cpu::gemm::{Matrix, MatrixMut};
use crate::cpu::parallel::for_each_item;
use crate::flex::{contiguous, dims, is_fast, values};
use crate::pool::Values;
use crate::{Precision, Segments};

/// Causal attention: each token attends to itself and the earlier tokens of its sequence: those of
/// its segment and of the segments that it continues.
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
/// If the shapes do not agree with each other or with `segments`, or a segment continues another.
pub fn bidirectional_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    segments: &Segments,
    scale: f32,
) -> Tensor<3> {
    assert!(
        !segments.is_tree(),
        "a beginning that others continue cannot attend to what comes after it"
    );
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
    if !(is_fast(&q) && is_fast(&k) && is_fast(&v)) {
        return portable(q, k, v, segments, scale, direction);
    }
    let plan = Plan {
        segments: segments.clone(),
        scoring: Scoring {
            scale,
            causal: direction == Direction::Causal,
            precision: Precision::current(),
        },
    };
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    Tensor::from_dispatch(<Dispatch as AttentionKernel>::attention(q, k, v, plan))
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
        .enumerate()
        .filter(|(_, range)| !range.is_empty())
        .map(|(index, range)| {
            let part = |x: &Tensor<3>, range| x.clone().slice_dim(0, range);
            let path = segments.path(index);
            let along =
                |x: &Tensor<3>| Tensor::cat(path.iter().map(|r| part(x, r.clone())).collect(), 0);
            attend(part(&q, range), along(&k), along(&v), scale, direction)
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

/// All of a call but its tensors.
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

/// What the backward pass reads; all contiguous.
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
    /// Attends, and keeps what the backward pass needs.
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

/// A contiguous tensor [T, heads, D] seen head by head.
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    pub values: &'a [f32],
    pub heads: usize,
    pub head_dim: usize,
}

impl<'a> Heads<'a> {
    pub fn of(tensor: &'a FlexTensor) -> Self {
        let [_, heads, head_dim] = dims(tensor);
        Self {
            values: values(tensor),
            heads,
            head_dim,
        }
    }

    /// Tokens `range` of one head, [range, D].
    pub fn matrix(self, range: Range<usize>, head: usize) -> Matrix<'a> {
        let stride = self.heads * self.head_dim;
        let start = range.start * stride + head * self.head_dim;
        Matrix::new(&self.values[start..], range.len(), self.head_dim, stride)
    }

    /// The tokens of all ranges of `path`, one after another, of one head.
    fn along(self, path: &[Range<usize>], head: usize) -> Rows<'a> {
        if let [range] = path {
            return Rows::InPlace(self.matrix(range.clone(), head));
        }
        let tokens: usize = path.iter().map(Range::len).sum();
        let mut rows = Buffer::take(tokens * self.head_dim);
        let mut to = rows.chunks_exact_mut(self.head_dim);
        for range in path {
            let from = self.matrix(range.clone(), head);
            for (row, to) in (0..from.rows()).zip(&mut to) {
                to.copy_from_slice(from.row(row));
            }
        }
        Rows::Gathered(rows, tokens, self.head_dim)
    }
}

/// Rows of one head: where they lie, or a copy where a path has several ranges.
enum Rows<'a> {
    InPlace(Matrix<'a>),
    /// Values, tokens and D.
    Gathered(Buffer<f32>, usize, usize),
}

impl Rows<'_> {
    fn matrix(&self) -> Matrix<'_> {
        match self {
            Rows::InPlace(matrix) => *matrix,
            Rows::Gathered(values, tokens, head_dim) => Matrix::dense(values, *tokens, *head_dim),
        }
    }
}

/// Memory [T, heads, D] that tasks write head by head.
pub(crate) struct HeadsMut<'a> {
    start: *mut f32,
    tokens: usize,
    heads: usize,
    head_dim: usize,
    memory: PhantomData<&'a mut [f32]>,
}

// SAFETY: shared only to make matrices through the unsafe `matrix`, whose callers keep them apart.
unsafe impl Sync for HeadsMut<'_> {}

impl<'a> HeadsMut<'a> {
    pub fn new(values: &'a mut [f32], [tokens, heads, head_dim]: [usize; 3]) -> Self {
        assert_eq!(values.len(), tokens * heads * head_dim);
        Self {
            start: values.as_mut_ptr(),
            tokens,
            heads,
            head_dim,
            memory: PhantomData,
        }
    }

    /// Tokens `range` of one head, [range, D].
    ///
    /// # Safety
    /// While the result lives, no other one of these tokens and this head may.
    pub unsafe fn matrix(&self, range: Range<usize>, head: usize) -> MatrixMut<'a> {
        assert!(range.end <= self.tokens && head < self.heads);
        let stride = self.heads * self.head_dim;
        // SAFETY: the elements lie in the slice of `new` (asserted), which is borrowed for 'a, and
        // the caller keeps other users away.
        unsafe {
            let start = self.start.add(range.start * stride + head * self.head_dim);
            MatrixMut::from_raw(start, range.len(), self.head_dim, stride)
        }
    }

    /// Adds `values` [tokens of all ranges, D] to the ranges of `path`.
    ///
    /// # Safety
    /// No matrix of these tokens and this head may be alive.
    unsafe fn add_along(&self, path: &[Range<usize>], head: usize, values: &[f32]) {
        let mut rows = values.chunks_exact(self.head_dim);
        for range in path {
            // SAFETY: the caller's promise; the ranges of a path are disjoint.
            let mut to = unsafe { self.matrix(range.clone(), head) };
            for (row, from) in (0..range.len()).zip(&mut rows) {
                for (sum, value) in to.row_mut(row).iter_mut().zip(from) {
                    *sum += value;
                }
            }
        }
    }
}

/// Every pair of an element and a head.
fn tasks<T: Clone>(elements: impl IntoIterator<Item = T>, heads: usize) -> Vec<(T, usize)> {
    elements
        .into_iter()
        .flat_map(|element| (0..heads).map(move |head| (element.clone(), head)))
        .collect()
}

fn forward(
    q: &FlexTensor,
    k: &FlexTensor,
    v: &FlexTensor,
    plan: &Plan,
    log_sums: Option<&mut Values>,
) -> FlexTensor {
    let shape @ [tokens, heads, head_dim] = dims(q);
    let mut output = Values::take(tokens * heads * head_dim);
    let (q, k, v) = (Heads::of(q), Heads::of(k), Heads::of(v));
    let group = heads / k.heads;
    let rows = HeadsMut::new(&mut output, shape);
    // [H, T] read as one head of H · T tokens of one element each.
    let log_sums = log_sums.map(|sums| HeadsMut::new(sums, [heads * tokens, 1, 1]));
    let segments = (0..plan.segments.len()).filter(|&index| !plan.segments.range(index).is_empty());
    for_each_item(tasks(segments, heads), |(segment, head)| {
        let (range, path) = (plan.segments.range(segment), plan.segments.path(segment));
        // SAFETY: each (segment, head) pair occurs once, so the matrices are disjoint.
        let output = unsafe { rows.matrix(range.clone(), head) };
        let sums = log_sums.as_ref().map(|sums| {
            let start = head * tokens + range.start;
            // SAFETY: as above; the range lies inside row `head` of [H, T].
            unsafe { sums.matrix(start..start + range.len(), 0) }
        });
        cpu::forward(
            q.matrix(range, head),
            k.along(&path, head / group).matrix(),
            v.along(&path, head / group).matrix(),
            plan.scoring,
            output,
            sums.map(MatrixMut::into_slice),
        );
    });
    output.into_tensor(shape)
}

/// Gradients of q, k and v, given that of the output.
pub(crate) fn backward(saved: &Saved, gradient: &[f32]) -> [Values; 3] {
    let shape @ [tokens, heads, head_dim] = dims(&saved.q);
    let [_, kv_heads, _]: [usize; 3] = dims(&saved.k);
    let (q, k, v) = (
        Heads::of(&saved.q),
        Heads::of(&saved.k),
        Heads::of(&saved.v),
    );
    let output = Heads::of(&saved.output);
    let dy = Heads {
        values: gradient,
        heads,
        head_dim,
    };
    let group = heads / kv_heads;
    let mut dq = Values::take(tokens * heads * head_dim);
    // Each query head sums its own dk and dv; heads that share keys are added up afterwards, in
    // order, so that the result does not depend on threads.
    let mut dk = Values::zeros(tokens * heads * head_dim);
    let mut dv = Values::zeros(tokens * heads * head_dim);
    let parts = [&mut dq, &mut dk, &mut dv].map(|part| HeadsMut::new(part, shape));
    let segments = &saved.plan.segments;
    // One (segment, head) pair, whose keys and values are those of its path.
    let run = |segment: usize, head: usize| {
        let (range, path) = (segments.range(segment), segments.path(segment));
        if range.is_empty() {
            return;
        }
        let (k, v) = (k.along(&path, head / group), v.along(&path, head / group));
        let head_saved = cpu::Saved {
            q: q.matrix(range.clone(), head),
            k: k.matrix(),
            v: v.matrix(),
            output: output.matrix(range.clone(), head),
            log_sums: &values(&saved.log_sums)[head * tokens..][range.clone()],
        };
        let dy = dy.matrix(range.clone(), head);
        // SAFETY: segments that share tokens run one after another in one task, and each family
        // has one task for this head; the matrices of one call are of different memory, and those of
        // `add_along` are made after the ones here are gone.
        let part = |part: usize| unsafe { parts[part].matrix(range.clone(), head) };
        if let [_] = path.as_slice() {
            cpu::backward(
                head_saved,
                dy,
                saved.plan.scoring,
                part(0),
                part(1),
                part(2),
            );
            return;
        }
        let seen: usize = path.iter().map(Range::len).sum();
        let mut sums = [1, 2].map(|_| Buffer::take(seen * head_dim));
        sums.iter_mut().for_each(|sum| sum.fill(0.0));
        let [dk, dv] = sums
            .each_mut()
            .map(|sum| MatrixMut::dense(sum, seen, head_dim));
        cpu::backward(head_saved, dy, saved.plan.scoring, part(0), dk, dv);
        for (part, sum) in parts[1..].iter().zip(&sums) {
            // SAFETY: as above.
            unsafe { part.add_along(&path, head, sum) };
        }
    };
    for_each_item(
        tasks(segments.families().iter(), heads),
        |(family, head)| {
            for &segment in family {
                run(segment, head);
            }
        },
    );
    let share = |per_head: Values| {
        if group == 1 {
            return per_head;
        }
        let mut shared = Values::take(tokens * kv_heads * head_dim);
        let part = 64 * head_dim;
        let parts = shared.chunks_mut(part).zip(per_head.chunks(group * part));
        for_each_item(parts, |(sums, heads)| {
            let heads = heads.chunks_exact(group * head_dim);
            for (sum, heads) in sums.chunks_exact_mut(head_dim).zip(heads) {
                let (first, rest) = heads.split_at(head_dim);
                sum.copy_from_slice(first);
                for head in rest.chunks_exact(head_dim) {
                    for (sum, value) in sum.iter_mut().zip(head) {
                        *sum += value;
                    }
                }
            }
        });
        shared
    };
    [dq, share(dk), share(dv)]
}
