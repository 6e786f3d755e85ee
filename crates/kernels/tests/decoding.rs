//! Decoding with a cache and packed weights equals the plain forward pass.

mod levels;

use burn::Tensor;
use burn::tensor::{Device, TensorData, Tolerance};
use kernels::{
    BeamCache, KeyValues, KvCache, PackedLinear, Precision, Segments, Sight, beam_cache, cache,
};

fn random<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
    let count = shape.iter().product::<usize>() as u32;
    let values: Vec<f32> = (0..count)
        .map(|i| ((i.wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503)) as f32).sin())
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn close<const D: usize>(a: Tensor<D>, b: Tensor<D>, tolerance: f32) {
    let tolerance = Tolerance::<f32>::rel_abs(tolerance, tolerance);
    a.into_data().assert_approx_eq(&b.into_data(), tolerance);
}

/// Two sequences of 9 and 5 tokens, fed as prompts of 6 and 1 and then token by token, the second
/// one joining later: each token's output equals that of one uncached call.
#[test]
fn cached_attention_equals_uncached() {
    let lengths = [9, 5];
    let segments = Segments::new(lengths);
    let q = random([14, 4, 8], 1);
    let k = random([14, 2, 8], 2);
    let v = random([14, 2, 8], 3);
    for (portable, sight) in [
        (false, Sight::Causal),
        (true, Sight::Causal),
        (false, Sight::Window(3)),
        (true, Sight::Window(3)),
    ] {
        let whole = kernels::attention(q.clone(), k.clone(), v.clone(), &segments, 0.3, sight);
        let run = if portable {
            cache::portable
        } else {
            kernels::cached_attention
        };
        let mut cache = KvCache::new(2);
        let slots = [cache.open(), cache.open()];
        let mut fed = [0, 0];
        for step in [[6, 0], [1, 1], [1, 3], [1, 1]] {
            let rows: Vec<_> = (0..2)
                .map(|s| {
                    let start = segments.range(s).start + fed[s];
                    start..start + step[s]
                })
                .collect();
            let pick = |x: &Tensor<3>| {
                let parts = rows.iter().filter(|rows| !rows.is_empty());
                Tensor::cat(
                    parts
                        .map(|rows| x.clone().slice_dim(0, rows.clone()))
                        .collect(),
                    0,
                )
            };
            let new = Segments::new(step);
            let positions = cache.positions(&new, &slots);
            let expected: Vec<u32> = (0..2)
                .flat_map(|s| (fed[s]..fed[s] + step[s]).map(|p| p as u32))
                .collect();
            assert_eq!(positions, expected);
            let (q, k, v) = (pick(&q), pick(&k), pick(&v));
            for layer in 0..2 {
                let (q, k, v) = (q.clone(), k.clone(), v.clone());
                let output = run(q, k, v, &new, &mut cache, layer, &slots, 0.3, sight);
                close(output, pick(&whole), 1e-5);
            }
            fed = [fed[0] + step[0], fed[1] + step[1]];
        }
        assert_eq!(fed, lengths);
        assert_eq!(cache.length(slots[0]), 9);
    }
}

#[test]
fn a_fork_shares_the_prefix_and_nothing_after() {
    let q = random([3, 2, 4], 1);
    let one = Segments::single(3);
    let mut cache = KvCache::new(1);
    let first = cache.open();
    let prefix = kernels::cached_attention(
        q.clone(),
        q.clone(),
        q.clone(),
        &one,
        &mut cache,
        0,
        &[first],
        1.0,
        Sight::Causal,
    );
    let second = cache.fork(first);
    kernels::cached_attention(
        q.clone(),
        q.clone(),
        q.clone(),
        &one,
        &mut cache,
        0,
        &[second],
        1.0,
        Sight::Causal,
    );
    assert_eq!((cache.length(first), cache.length(second)), (3, 6));

    cache.truncate(second, 0);
    let again = kernels::cached_attention(
        q.clone(),
        q.clone(),
        q,
        &one,
        &mut cache,
        0,
        &[second],
        1.0,
        Sight::Causal,
    );
    close(again, prefix, 1e-6);

    cache.close(first);
    assert_eq!(cache.open(), first);
    assert_eq!(cache.length(first), 0);
}

#[test]
#[should_panic(expected = "not open")]
fn a_closed_slot_is_refused() {
    let mut cache = KvCache::new(1);
    let slot = cache.open();
    cache.close(slot);
    let x = random([1, 1, 2], 1);
    kernels::cached_attention(
        x.clone(),
        x.clone(),
        x,
        &Segments::single(1),
        &mut cache,
        0,
        &[slot],
        1.0,
        Sight::Causal,
    );
}

#[test]
fn packed_linears_agree_with_linear() {
    for (tokens, width, out) in [(1, 17, 15), (3, 64, 33), (16, 131, 97), (67, 576, 192)] {
        let x = random([tokens, width], 1);
        let weight = random([out, width], 2);
        let bias = random([out], 3);
        let plain = kernels::linear(x.clone(), weight.clone(), Some(bias.clone()));
        let pack = |format| PackedLinear::new(weight.clone(), Some(bias.clone()), format);
        close(pack(Precision::F32).forward(x.clone()), plain.clone(), 1e-4);
        let residual = random([tokens, out], 4);
        for bias in [Some(bias.clone()), None] {
            let layer = PackedLinear::new(weight.clone(), bias.clone(), Precision::F32);
            let apart = kernels::linear(x.clone(), weight.clone(), bias) + residual.clone();
            close(layer.forward_onto(x.clone(), residual.clone()), apart, 1e-4);
        }
        let rounded = pack(Precision::Bf16).forward(x.clone());
        let worst = (rounded - plain).abs().max().into_scalar::<f32>();
        assert!(worst < 1e-2 * (width as f32).sqrt(), "{worst}");
    }
}

#[test]
fn a_packed_row_does_not_depend_on_its_batch() {
    let x = random([16, 300], 1);
    let weight = random([77, 300], 2);
    for (format, precision) in [
        (Precision::F32, Precision::F32),
        (Precision::Bf16, Precision::Bf16),
        (Precision::Int8, Precision::F32),
    ] {
        let layer = PackedLinear::new(weight.clone(), None, format);
        let all = layer.forward(x.clone());
        for row in [0, 7, 15] {
            let alone = layer.forward(x.clone().slice_dim(0, row..row + 1));
            let of_all = all.clone().slice_dim(0, row..row + 1);
            // Bit by bit where the product is ours.
            let exact = precision.instructions().starts_with("AVX");
            let exact = exact || format == Precision::Int8;
            close(alone, of_all, if exact { 0.0 } else { 1e-5 });
        }
    }
}

#[test]
fn packed_layers_finish_in_one_pass() {
    for format in [Precision::F32, Precision::Bf16, Precision::Int8] {
        for (tokens, width, out) in [(1, 17, 15), (16, 131, 97), (67, 576, 192)] {
            let x = random([tokens, width], 1);
            let residual = random([tokens, out], 4);
            let layer = PackedLinear::new(random([out, width], 2), Some(random([out], 3)), format);
            let plain = layer.forward(x.clone());
            let cut = layer.forward_relu(x.clone());
            close(cut, kernels::relu(plain.clone()), 1e-6);
            let kept = residual.clone();
            let added = layer.forward_onto(x.clone(), residual.clone());
            close(added, plain.clone() + residual.clone(), 1e-4);
            close(residual, kept, 0.0);
            let other = PackedLinear::new(random([31, width], 5), None, format);
            let [first, second] = PackedLinear::forward_each([&layer, &other], x.clone());
            close(first, plain, 0.0);
            close(second, other.forward(x), 0.0);
        }
    }
}

/// One byte a weight: within 1 % of the outputs' size, which is 0.4 % of half a step each.
#[test]
fn bytes_are_near_the_exact_layer() {
    for (tokens, width, out) in [(3, 64, 33), (67, 576, 192), (5, 4096, 70)] {
        let x = random([tokens, width], 1);
        let weight = random([out, width], 2);
        let exact = kernels::linear(x.clone(), weight.clone(), None);
        let layer = PackedLinear::new(weight, None, Precision::Int8);
        let error = (layer.forward(x) - exact.clone()).square().mean();
        let error = (error / exact.square().mean()).sqrt().into_scalar::<f32>();
        assert!(error < 0.01, "{tokens} {width} {out}: {error}");
    }
}

#[test]
fn rows_of_a_packed_table_are_its_weights() {
    let table = random([70, 33], 1);
    let ids = [0, 69, 31, 32, 5];
    let exact = kernels::embedding(table.clone(), &ids);
    for (format, tolerance) in [
        (Precision::F32, 0.0),
        (Precision::Bf16, 4e-3),
        (Precision::Int8, 4e-3),
    ] {
        let packed = PackedLinear::new(table.clone(), None, format);
        let off = (packed.rows(&ids) - exact.clone()).abs().max();
        assert!(off.into_scalar::<f32>() <= tolerance, "{format:?}");
    }
}

#[test]
fn top_tokens_are_those_of_the_logits() {
    for format in [Precision::F32, Precision::Bf16, Precision::Int8] {
        for (rows, vocabulary) in [(1, 5), (3, 1024), (17, 5003), (4, 9000)] {
            let hidden = random([rows, 24], 1);
            let bias = (vocabulary == 5003).then(|| random([vocabulary], 3));
            let layer = PackedLinear::new(random([vocabulary, 24], 2), bias, format);
            let apart: Vec<Vec<u32>> = (0..rows as u32)
                .map(|row| {
                    let mut ids = vec![row % 5, 4, vocabulary as u32 - 1];
                    ids.sort_unstable();
                    ids.dedup();
                    ids.truncate(row as usize % 4);
                    ids
                })
                .collect();
            let fast = kernels::top_tokens(&layer, hidden.clone(), 8, &apart);
            let logits = layer.forward(hidden);
            let portable = kernels::top_tokens::top_of_logits(logits, 8, &apart);
            for (fast, portable) in fast.iter().zip(&portable) {
                assert!((fast.log_sum - portable.log_sum).abs() < 1e-4);
                assert_eq!(fast.best, portable.best, "{rows} {vocabulary}");
                assert_eq!(fast.apart, portable.apart);
            }
        }
    }
}

#[test]
fn cross_attention_agrees() {
    for (queries, keys) in [
        (vec![1], vec![3]),
        (vec![4, 0, 1, 13], vec![30, 2, 1, 65]),
        (vec![120, 5], vec![7, 131]),
    ] {
        let (queries, keys) = (Segments::new(queries), Segments::new(keys));
        let q = random([queries.tokens(), 6, 16], 1);
        let k = random([keys.tokens(), 3, 16], 2);
        let v = random([keys.tokens(), 3, 16], 3);
        let run = |new: fn(Tensor<3>, Tensor<3>) -> KeyValues| {
            let parts: Vec<KeyValues> = keys
                .iter()
                .map(|range| {
                    let part = |x: &Tensor<3>| x.clone().slice_dim(0, range.clone());
                    new(part(&k), part(&v))
                })
                .collect();
            let parts: Vec<&KeyValues> = parts.iter().collect();
            kernels::cross_attention(q.clone(), &queries, &parts, 0.4)
        };
        close(run(KeyValues::new), run(KeyValues::portable), 1e-5);
    }
}

/// Two searches whose beams multiply, swap and die: each beam's output equals attention over its
/// own tokens laid end to end.
#[test]
fn beams_attend_to_their_own_past() {
    let steps: [[&[usize]; 2]; 4] = [
        [&[0, 0, 0], &[0, 0]],
        [&[2, 0, 0], &[1, 0]],
        [&[1, 1, 2], &[0, 0]],
        [&[0, 2], &[1, 0]],
    ];
    for form in [kernels::beam_attention, beam_cache::portable] {
        let mut cache = BeamCache::new(2);
        let slots = [cache.open(), cache.open()];
        // The tokens of each beam of each search, as seeds of their queries, keys and values.
        let mut beams = [vec![Vec::<u32>::new()], vec![Vec::new()]];
        let mut seed = 0;
        for parents in steps {
            for beam in beams.iter_mut().flatten() {
                seed += 10;
                beam.push(seed);
            }
            let segments = Segments::new(beams.iter().map(Vec::len));
            let tokens = |part: u32| {
                let last = beams.iter().flatten().map(|beam| beam[beam.len() - 1]);
                let heads = if part == 0 { 4 } else { 2 };
                let rows = last.map(|seed| random([1, heads, 8], seed + part));
                Tensor::cat(rows.collect::<Vec<_>>(), 0)
            };
            let expected: Vec<Tensor<3>> = beams
                .iter()
                .flatten()
                .map(|beam| {
                    let all = |part: u32, heads: usize| {
                        let rows = beam.iter().map(|seed| random([1, heads, 8], seed + part));
                        Tensor::cat(rows.collect::<Vec<_>>(), 0)
                    };
                    let whole = Segments::single(beam.len());
                    let output = kernels::attention(
                        all(0, 4),
                        all(1, 2),
                        all(2, 2),
                        &whole,
                        0.3,
                        Sight::Causal,
                    );
                    output.slice_dim(0, beam.len() - 1..beam.len())
                })
                .collect();
            let expected = Tensor::cat(expected, 0);
            for layer in 0..2 {
                let (q, k, v) = (tokens(0), tokens(1), tokens(2));
                let output = form(q, k, v, &segments, &mut cache, layer, &slots, 0.3);
                close(output, expected.clone(), 1e-5);
            }
            for ((slot, beams), parents) in slots.iter().zip(&mut beams).zip(parents) {
                cache.advance(*slot, parents);
                *beams = parents
                    .iter()
                    .map(|&parent| beams[parent].clone())
                    .collect();
                assert_eq!(cache.beams(*slot), parents.len());
                assert_eq!(cache.length(*slot), beams[0].len());
            }
        }
        cache.close(slots[0]);
        assert_eq!(cache.open(), slots[0]);
        assert_eq!((cache.length(slots[0]), cache.beams(slots[0])), (0, 1));
    }
}

#[test]
fn lower_simd_levels_agree_too() {
    levels::run_at_lower_levels("lower_simd_levels_agree_too");
}
