//! Attention on the CPU: every head of every segment is a separate task.

use std::ops::Range;

use burn_flex::FlexTensor;

use super::{Heads, HeadsMut, Plan, Saved};
use crate::cpu::attention as cpu;
use crate::cpu::buffer::Buffer;
use crate::cpu::gemm::MatrixMut;
use crate::cpu::parallel::for_each_item;
use crate::flex::{dims, values};
use crate::pool::Values;

/// Every pair of an element and a head.
fn tasks<T: Clone>(elements: impl IntoIterator<Item = T>, heads: usize) -> Vec<(T, usize)> {
    elements
        .into_iter()
        .flat_map(|element| (0..heads).map(move |head| (element.clone(), head)))
        .collect()
}

pub(super) fn forward(
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

/// Gradients of q, k and v, given the gradient of the output.
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
    // Each query head sums its own dk and dv; heads with common keys are added up afterwards, in
    // order, so that the result does not depend on threads.
    let mut dk = Values::zeros(tokens * heads * head_dim);
    let mut dv = Values::zeros(tokens * heads * head_dim);
    let parts = [&mut dq, &mut dk, &mut dv].map(|part| HeadsMut::new(part, shape));
    let segments = &saved.plan.segments;
    // One (segment, head) pair; its keys and values are those of its path.
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
