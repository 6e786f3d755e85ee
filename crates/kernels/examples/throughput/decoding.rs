//! Decoding at batch 1 and 16.

use std::time::Instant;

use burn::Tensor;
use burn::tensor::Device;
use kernels::{Gate, KvCache, PackedLinear, Precision, RotaryTable, Segments, Sight};

use crate::{
    HEAD_DIM, HEADS, KV_HEADS, LAYERS, LINEAR_SHAPES, VOCABULARY, WIDTH, cpu_time, random,
};

/// 64 prompt tokens, then 128 new ones for each of `batch` sequences.
pub fn decode(format: Precision, batch: usize) {
    let plain = |shape: [usize; 2]| random(shape).inner();
    let embedding = plain([VOCABULARY, WIDTH]);
    let head = PackedLinear::new(embedding.clone(), None, format);
    let norm = Tensor::<1>::ones([WIDTH], &Device::flex());
    let layers: Vec<[PackedLinear; 7]> = (0..LAYERS)
        .map(|_| LINEAR_SHAPES.map(|shape| PackedLinear::new(plain(shape), None, format)))
        .collect();
    let table = RotaryTable::plain(1e4, HEAD_DIM, 256);
    let mut cache = KvCache::new(LAYERS);
    let slots: Vec<_> = (0..batch).map(|_| cache.open()).collect();
    let mut forward = |segments: &Segments, ids: &[u32]| -> Vec<u32> {
        let tokens = segments.tokens();
        let positions = cache.positions(segments, &slots);
        let mut x = kernels::embedding(embedding.clone(), ids);
        for (layer, [q, k, v, o, gate, up, down]) in layers.iter().enumerate() {
            let normed = kernels::rms_norm(x.clone(), norm.clone(), 1e-5);
            let heads = |linear: &PackedLinear, count: usize| {
                linear
                    .forward(normed.clone())
                    .reshape([tokens, count, HEAD_DIM])
            };
            let q = kernels::rotary(heads(q, HEADS), &table, &positions);
            let k = kernels::rotary(heads(k, KV_HEADS), &table, &positions);
            let v = heads(v, KV_HEADS);
            let mixed = kernels::cached_attention(
                q,
                k,
                v,
                segments,
                &mut cache,
                layer,
                &slots,
                0.125,
                Sight::Causal,
            );
            x = x + o.forward(mixed.reshape([tokens, WIDTH]));
            let normed = kernels::rms_norm(x.clone(), norm.clone(), 1e-5);
            let (gate, up) = (gate.forward(normed.clone()), up.forward(normed));
            x = x + down.forward(kernels::gated(gate, up, Gate::Silu));
        }
        let last: Vec<Tensor<2>> = (segments.last_tokens().into_iter().flatten())
            .map(|token| x.clone().slice_dim(0, token..token + 1))
            .collect();
        let logits = head.forward(kernels::rms_norm(Tensor::cat(last, 0), norm.clone(), 1e-5));
        let best = logits.argmax(1).into_data();
        best.iter::<u32>().collect()
    };
    let start = Instant::now();
    let prompt: Vec<u32> = (0..64 * batch as u32).collect();
    let mut ids = forward(&Segments::new(vec![64; batch]), &prompt);
    let prefill = start.elapsed().as_secs_f64();
    let (start, cpu_start) = (Instant::now(), cpu_time());
    for _ in 0..128 {
        ids = forward(&Segments::new(vec![1; batch]), &ids);
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu = (cpu_time() - cpu_start).as_secs_f64();
    println!(
        "decode {format:?}, batch {batch}: {:.0} tokens/s ({:.2} ms a step, {:.2} CPU), prompt {:.0} tokens/s",
        (128 * batch) as f64 / seconds,
        seconds / 128.0 * 1e3,
        cpu / 128.0 * 1e3,
        (64 * batch) as f64 / prefill,
    );
}
