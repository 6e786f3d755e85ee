//! Decoding with a cache and packed weights equals the plain forward pass.

use burn::Tensor;
use burn::tensor::{Device, TensorData, Tolerance};
use kernels::{KvCache, PackedLinear, Precision, Segments, WeightFormat, cache};

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
    let whole = kernels::attention(q.clone(), k.clone(), v.clone(), &segments, 0.3);

    for portable in [false, true] {
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
                let output = run(q, k, v, &new, &mut cache, layer, &slots, 0.3);
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
    );
    assert_eq!((cache.length(first), cache.length(second)), (3, 6));

    cache.truncate(second, 0);
    let again =
        kernels::cached_attention(q.clone(), q.clone(), q, &one, &mut cache, 0, &[second], 1.0);
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
        close(
            pack(WeightFormat::F32).forward(x.clone()),
            plain.clone(),
            1e-4,
        );
        let residual = random([tokens, out], 4);
        for bias in [Some(bias.clone()), None] {
            let layer = PackedLinear::new(weight.clone(), bias.clone(), WeightFormat::F32);
            let apart = kernels::linear(x.clone(), weight.clone(), bias) + residual.clone();
            close(layer.forward_onto(x.clone(), residual.clone()), apart, 1e-4);
        }
        let rounded = pack(WeightFormat::Bf16).forward(x.clone());
        let worst = (rounded - plain).abs().max().into_scalar::<f32>();
        assert!(worst < 1e-2 * (width as f32).sqrt(), "{worst}");
    }
}

#[test]
fn a_packed_row_does_not_depend_on_its_batch() {
    let x = random([16, 300], 1);
    let weight = random([77, 300], 2);
    for (format, precision) in [
        (WeightFormat::F32, Precision::F32),
        (WeightFormat::Bf16, Precision::Bf16),
    ] {
        let layer = PackedLinear::new(weight.clone(), None, format);
        let all = layer.forward(x.clone());
        for row in [0, 7, 15] {
            let alone = layer.forward(x.clone().slice_dim(0, row..row + 1));
            let of_all = all.clone().slice_dim(0, row..row + 1);
            // Bit by bit where the product is ours.
            let exact = precision.instructions().starts_with("AVX-512");
            close(alone, of_all, if exact { 0.0 } else { 1e-5 });
        }
    }
}
