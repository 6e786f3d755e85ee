//! Every fast form equals its portable form: values and every gradient, on odd sizes.

mod levels;

use burn::Tensor;
use burn::tensor::{Device, TensorData, Tolerance};
use kernels::{
    Activation, Adapter, BlockPlan, BlockWeights, Dropout, FrozenWeight, Precision, Projection,
    ProjectionWeight, RotaryTable, Segments, WeightFormat, activation, attention, cross_entropy,
    decoder_block, layer_norm, linear, rms_norm,
};

/// Reproducible values in -1 … 1.
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 * 2.0 - 1.0
        })
        .collect()
}

/// A tensor that wants no gradient.
fn frozen<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
    let data = TensorData::new(values(shape.iter().product(), seed), shape);
    Tensor::from_data(data, &Device::flex().autodiff())
}

/// A tensor that wants a gradient.
fn random<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
    frozen(shape, seed).require_grad()
}

fn close<const D: usize>(fast: Tensor<D>, portable: Tensor<D>, tolerance: f32) {
    let tolerance = Tolerance::<f32>::rel_abs(tolerance, tolerance);
    fast.into_data()
        .assert_approx_eq(&portable.into_data(), tolerance);
}

/// The gradient of Σ output · (fixed noise), so that every output element counts differently.
fn gradients<const D: usize>(output: Tensor<D>) -> burn::tensor::Gradients {
    let noise = frozen(output.dims(), 99);
    (output * noise).sum().backward()
}

/// Compares two forms of a function of one to three tensors, with all gradients.
macro_rules! compare {
    ($tolerance:expr, [$($input:ident),+], $fast:expr, $portable:expr) => {{
        let (fast, portable) = ($fast, $portable);
        close(fast.clone(), portable.clone(), $tolerance);
        let (fast, portable) = (gradients(fast), gradients(portable));
        $(close($input.grad(&fast).unwrap(), $input.grad(&portable).unwrap(), $tolerance);)+
    }};
}

const SIZES: [usize; 6] = [1, 2, 15, 17, 31, 67];

#[test]
fn linear_agrees() {
    for tokens in SIZES {
        for (width, out) in [(1, 1), (15, 17), (64, 33), (97, 131), (576, 64)] {
            let x = random([tokens, width], 1);
            let weight = random([out, width], 2);
            let bias = random([out], 3);
            compare!(
                2e-4,
                [x, weight, bias],
                kernels::linear(x.clone(), weight.clone(), Some(bias.clone())),
                linear::portable(x.clone(), weight.clone(), Some(bias.clone()))
            );
        }
    }
}

/// bf16 keeps 8 bits of each factor: the error of a sum of n products of factors below 1 stays
/// below n · 2⁻⁸, and in practice near √n · 2⁻⁸.
#[test]
fn linear_in_bf16_is_near() {
    for (tokens, width, out) in [(1, 17, 15), (15, 97, 67), (33, 576, 31)] {
        let x = random([tokens, width], 1);
        let weight = random([out, width], 2);
        let fast = Precision::Bf16.scope(|| kernels::linear(x.clone(), weight.clone(), None));
        let portable = linear::portable(x.clone(), weight.clone(), None);
        let bound = 1e-2 * (width as f32).sqrt();
        let worst = |a: Tensor<2>, b: Tensor<2>| (a - b).abs().max().into_scalar::<f32>();
        assert!(worst(fast.clone(), portable.clone()) < bound);
        let (fast, portable) = (gradients(fast), gradients(portable));
        let bound = 1e-2 * (tokens.max(out) as f32).sqrt();
        assert!(worst(x.grad(&fast).unwrap(), x.grad(&portable).unwrap()) < bound);
        assert!(worst(weight.grad(&fast).unwrap(), weight.grad(&portable).unwrap()) < bound);
    }
}

#[test]
fn frozen_weights_get_no_gradient() {
    let x = random([3, 5], 1);
    let weight = frozen([7, 5], 2);
    let grads = gradients(kernels::linear(x.clone(), weight.clone(), None));
    assert!(x.grad(&grads).is_some());
    assert!(weight.grad(&grads).is_none());
}

#[test]
fn a_row_does_not_depend_on_its_batch() {
    for precision in [Precision::F32, Precision::Bf16] {
        let x = random([67, 300], 1).inner();
        let weight = random([129, 300], 2).inner();
        let run = |x: Tensor<2>| precision.scope(|| kernels::linear(x, weight.clone(), None));
        let all = run(x.clone());
        for row in [0, 13, 14, 66] {
            let alone = run(x.clone().slice_dim(0, row..row + 1));
            let of_all = all.clone().slice_dim(0, row..row + 1);
            same_row(precision, alone, of_all);
        }
    }
}

/// Equal bit by bit where the product is ours, else nearly.
fn same_row(precision: Precision, alone: Tensor<2>, of_all: Tensor<2>) {
    let exact = precision.instructions().starts_with("AVX-512");
    close(alone, of_all, if exact { 0.0 } else { 1e-5 });
}

#[test]
fn rms_norm_agrees() {
    for tokens in SIZES {
        for width in [1, 15, 17, 97, 576] {
            let x = random([tokens, width], 1);
            let weight = random([width], 2);
            compare!(
                2e-4,
                [x, weight],
                kernels::rms_norm(x.clone(), weight.clone(), 1e-5),
                rms_norm::portable(x.clone(), weight.clone(), 1e-5)
            );
        }
    }
}

#[test]
fn layer_norm_agrees() {
    for tokens in SIZES {
        // A single column has variance 0, where any rounding is divided by √ε.
        for width in [2, 15, 17, 97, 1024] {
            let x = (frozen([tokens, width], 1) * 3.0 + 5.0).require_grad();
            let weight = random([width], 2);
            let bias = random([width], 3);
            compare!(
                2e-4,
                [x, weight, bias],
                kernels::layer_norm(x.clone(), weight.clone(), bias.clone(), 1e-5),
                layer_norm::portable(x.clone(), weight.clone(), bias.clone(), 1e-5)
            );
        }
    }
}

#[test]
fn activations_agree() {
    for kind in [Activation::Relu, Activation::Gelu, Activation::GeluTanh] {
        for tokens in SIZES {
            for width in [1, 17, 1536] {
                let x = (frozen([tokens, width], 1) * 6.0).require_grad();
                compare!(
                    1e-5,
                    [x],
                    kernels::activate(x.clone(), kind),
                    activation::portable(x.clone(), kind)
                );
            }
        }
    }
}

#[test]
fn rotary_agrees() {
    for tokens in SIZES {
        for (heads, head_dim) in [(1, 2), (3, 10), (9, 64)] {
            let x = random([tokens, heads, head_dim], 1);
            let table = RotaryTable::plain(10_000.0, head_dim, 100);
            let positions: Vec<u32> = (0..tokens as u32).map(|i| i * 7 % 97).collect();
            compare!(
                1e-5,
                [x],
                kernels::rotary(x.clone(), &table, &positions),
                kernels::rotary::portable(x.clone(), &table, &positions)
            );
        }
    }
}

#[test]
fn rotary_leaves_its_input_alone() {
    let x = random([4, 2, 8], 1).inner();
    let before = x.clone().into_data();
    let table = RotaryTable::plain(10_000.0, 8, 10);
    let view = x.clone();
    kernels::rotary(view, &table, &[1, 2, 3, 4]);
    x.into_data().assert_eq(&before, true);
}

#[test]
fn swiglu_agrees() {
    for tokens in SIZES {
        for width in [1, 17, 1536] {
            let gate = (frozen([tokens, width], 1) * 8.0).require_grad();
            let up = random([tokens, width], 2);
            compare!(
                1e-5,
                [gate, up],
                kernels::swiglu(gate.clone(), up.clone()),
                kernels::swiglu::portable(gate.clone(), up.clone())
            );
        }
    }
}

#[test]
fn embedding_agrees() {
    let weight = random([13, 17], 1);
    let ids = [3, 3, 0, 12, 7, 3];
    compare!(
        1e-5,
        [weight],
        kernels::embedding(weight.clone(), &ids),
        kernels::embedding::portable(weight.clone(), &ids)
    );
}

#[test]
fn attention_agrees() {
    use attention::Direction::{Both, Causal};
    for lengths in [vec![1], vec![17], vec![3, 0, 67, 1], vec![131, 64, 65]] {
        for (heads, kv_heads, head_dim) in [(1, 1, 5), (6, 2, 16), (3, 3, 64)] {
            let segments = Segments::new(lengths.clone());
            let tokens = segments.tokens();
            let q = random([tokens, heads, head_dim], 1);
            let k = random([tokens, kv_heads, head_dim], 2);
            let v = random([tokens, kv_heads, head_dim], 3);
            let scale = 2.0 / (head_dim as f32).sqrt();
            let parts = || (q.clone(), k.clone(), v.clone());
            let portable = |direction| {
                let (q, k, v) = parts();
                attention::portable(q, k, v, &segments, scale, direction)
            };
            let (a, b, c) = parts();
            compare!(
                2e-4,
                [q, k, v],
                kernels::attention(a, b, c, &segments, scale),
                portable(Causal)
            );
            let (a, b, c) = parts();
            compare!(
                2e-4,
                [q, k, v],
                kernels::bidirectional_attention(a, b, c, &segments, scale),
                portable(Both)
            );
        }
    }
}

/// A beginning of 21 tokens with three continuations, one of which has two of its own.
fn tree() -> Segments {
    Segments::tree([
        (21, None),
        (1, Some(0)),
        (130, Some(0)),
        (5, Some(2)),
        (0, Some(2)),
        (17, Some(4)),
        (33, None),
        (2, Some(0)),
    ])
}

#[test]
fn attention_along_a_tree_agrees() {
    let segments = tree();
    let tokens = segments.tokens();
    for (heads, kv_heads, head_dim) in [(1, 1, 5), (6, 2, 16), (3, 3, 64)] {
        let q = random([tokens, heads, head_dim], 1);
        let k = random([tokens, kv_heads, head_dim], 2);
        let v = random([tokens, kv_heads, head_dim], 3);
        let parts = || (q.clone(), k.clone(), v.clone());
        let ((a, b, c), (d, e, f)) = (parts(), parts());
        compare!(
            2e-4,
            [q, k, v],
            kernels::attention(a, b, c, &segments, 0.3),
            attention::portable(d, e, f, &segments, 0.3, attention::Direction::Causal)
        );
    }
}

#[test]
fn a_shared_beginning_equals_sequences_of_their_own() {
    let segments = tree();
    let q = random([segments.tokens(), 4, 16], 1).inner();
    let k = random([segments.tokens(), 2, 16], 2).inner();
    let v = random([segments.tokens(), 2, 16], 3).inner();
    let shared = kernels::attention(q.clone(), k.clone(), v.clone(), &segments, 0.25);
    for index in [1, 3, 5, 6, 7] {
        let path = segments.path(index);
        let along = |x: &Tensor<3>| {
            let parts = path.iter().map(|r| x.clone().slice_dim(0, r.clone()));
            Tensor::cat(parts.collect(), 0)
        };
        let alone = Segments::single(path.iter().map(|range| range.len()).sum());
        let separate = kernels::attention(along(&q), along(&k), along(&v), &alone, 0.25);
        close(along(&shared), separate, 1e-6);
    }
}

/// A block of width 24 with heads of 8, whose layers before attention have biases; the closure makes
/// the adapters of [out, in] layers.
fn block(adapter: impl Fn(usize, usize, u32) -> Option<Adapter>) -> BlockWeights {
    let gain = |seed| (frozen([24], seed) + 1.5).require_grad();
    let layer = |outputs, inputs, seed| Projection {
        adapter: adapter(outputs, inputs, seed),
        bias: (seed < 6).then(|| random([outputs], 80 + seed)),
        ..random([outputs, inputs], seed).into()
    };
    BlockWeights {
        attention_norm: gain(2),
        query: layer(48, 24, 3),
        key: layer(16, 24, 4),
        value: layer(16, 24, 5),
        output: layer(24, 48, 6),
        mlp_norm: gain(7),
        gate: layer(40, 24, 8),
        up: layer(40, 24, 9),
        down: layer(24, 40, 10),
    }
}

/// The layers of a block.
fn layers(weights: &mut BlockWeights) -> [&mut Projection; 7] {
    [
        &mut weights.query,
        &mut weights.key,
        &mut weights.value,
        &mut weights.output,
        &mut weights.gate,
        &mut weights.up,
        &mut weights.down,
    ]
}

/// The weight as a tensor.
fn plain(layer: &Projection) -> Tensor<2> {
    match &layer.weight {
        ProjectionWeight::Plain(weight) => weight.clone(),
        ProjectionWeight::Frozen(_) => panic!("packed"),
    }
}

#[test]
fn decoder_block_agrees() {
    for segments in [tree(), Segments::new([1]), Segments::new([17, 0, 31])] {
        let positions = segments.positions();
        let x = random([segments.tokens(), 24], 1);
        let mut weights = block(|_, _, _| None);
        for recompute in [false, true] {
            let plan = BlockPlan {
                segments: &segments,
                positions: &positions,
                rotary: &RotaryTable::plain(10_000.0, 8, 200),
                head_dim: 8,
                epsilon: 1e-5,
                recompute,
                dropout: None,
            };
            let (attention_norm, mlp_norm) =
                (weights.attention_norm.clone(), weights.mlp_norm.clone());
            let [query, key, value, output, gate, up, down] =
                layers(&mut weights).map(|layer| plain(layer));
            let [query_bias, key_bias, value_bias] = [&weights.query, &weights.key, &weights.value]
                .map(|layer| layer.bias.clone().unwrap());
            compare!(
                1e-3,
                [
                    x,
                    attention_norm,
                    query,
                    key,
                    value,
                    query_bias,
                    key_bias,
                    value_bias,
                    output,
                    mlp_norm,
                    gate,
                    up,
                    down
                ],
                kernels::decoder_block(x.clone(), weights.clone(), &plan),
                decoder_block::portable(x.clone(), weights.clone(), &plan)
            );
        }
    }
}

/// Adapters of odd ranks on some of the layers, with dropout, beside frozen weights: packed or not.
#[test]
fn adapters_in_a_block_agree() {
    let segments = Segments::new([17, 0, 31]);
    let positions = segments.positions();
    let x = random([segments.tokens(), 24], 1);
    for (packed, share, recompute) in [
        (None, None, false),
        (None, Some(0.3), true),
        (Some(WeightFormat::F32), Some(0.3), false),
        (Some(WeightFormat::Bf16), Some(0.3), true),
        (Some(WeightFormat::Int8), None, false),
    ] {
        let mut weights = adapted_block();
        let plan = BlockPlan {
            segments: &segments,
            positions: &positions,
            rotary: &RotaryTable::plain(10_000.0, 8, 200),
            head_dim: 8,
            epsilon: 1e-5,
            recompute,
            dropout: share.map(|share| Dropout { share, seed: 11 }),
        };
        let portable = decoder_block::portable(x.clone(), weights.clone(), &plan);
        if let Some(format) = packed {
            for layer in layers(&mut weights) {
                let weight = FrozenWeight::new(plain(layer), format).unwrap();
                assert_eq!(weight.shape(), plain(layer).dims());
                layer.weight = ProjectionWeight::Frozen(weight);
            }
        }
        let fast = kernels::decoder_block(x.clone(), weights.clone(), &plan);
        // Rounding of the factors, relative to all values together; f32 value by value.
        let rounding = match packed {
            None | Some(WeightFormat::F32) => None,
            Some(WeightFormat::Bf16) => Some(0.01),
            Some(WeightFormat::Int8) => Some(0.025),
        };
        let agree = |fast: Tensor<2>, portable: Tensor<2>| match rounding {
            None => close(fast, portable, 1e-3),
            Some(rounding) => close_together(fast, portable, rounding),
        };
        agree(fast.clone(), portable.clone());
        let (portable, fast) = (gradients(portable), gradients(fast));
        agree(x.grad(&fast).unwrap(), x.grad(&portable).unwrap());
        let norm = &weights.mlp_norm;
        agree(
            norm.grad(&fast).unwrap().unsqueeze(),
            norm.grad(&portable).unwrap().unsqueeze(),
        );
        let mut adapted = 0;
        for layer in layers(&mut weights) {
            if let Some(Adapter { a, b, .. }) = &layer.adapter {
                agree(a.grad(&fast).unwrap(), a.grad(&portable).unwrap());
                agree(b.grad(&fast).unwrap(), b.grad(&portable).unwrap());
                adapted += 1;
            }
            if let Some(bias) = &layer.bias {
                let [fast, portable] =
                    [&fast, &portable].map(|all| bias.grad(all).unwrap().unsqueeze());
                agree(fast, portable);
            }
        }
        assert_eq!(adapted, 5);
    }
}

/// A [`block`] of frozen weights with adapters of several ranks.
fn adapted_block() -> BlockWeights {
    let mut weights = block(|outputs, inputs, seed| {
        let rank = [3, 0, 16, 5][seed as usize % 4];
        (rank > 0).then(|| Adapter {
            a: random([rank, inputs], 20 + seed),
            b: random([outputs, rank], 40 + seed),
            scale: 0.02 * f64::from(seed),
        })
    });
    for (index, layer) in layers(&mut weights).into_iter().enumerate() {
        // Small, as weights are: the softmax would magnify rounding otherwise.
        let weight = frozen(plain(layer).dims(), 60 + index as u32) * 0.2;
        layer.weight = ProjectionWeight::Plain(weight);
    }
    weights
}

/// Whether the difference is at most this share of the values, each by their L2 norm.
fn close_together(fast: Tensor<2>, portable: Tensor<2>, share: f32) {
    let norm = |values: Tensor<2>| values.square().sum().sqrt().into_scalar::<f32>();
    let (difference, all) = (norm(fast - portable.clone()), norm(portable));
    assert!(difference <= share * all, "{difference} of {all}");
}

/// Gradients are computed for what asks for them and nothing else.
#[test]
fn a_frozen_block_passes_its_gradient_on() {
    let segments = Segments::new([5]);
    let x = random([5, 8], 1);
    let weights = BlockWeights {
        attention_norm: frozen([8], 2),
        query: frozen([8, 8], 3).into(),
        key: frozen([4, 8], 4).into(),
        value: random([4, 8], 5).into(),
        output: frozen([8, 8], 6).into(),
        mlp_norm: frozen([8], 7),
        gate: frozen([12, 8], 8).into(),
        up: frozen([12, 8], 9).into(),
        down: frozen([8, 12], 10).into(),
    };
    let plan = BlockPlan {
        segments: &segments,
        positions: &segments.positions(),
        rotary: &RotaryTable::plain(10_000.0, 4, 5),
        head_dim: 4,
        epsilon: 1e-5,
        recompute: false,
        dropout: None,
    };
    let value = plain(&weights.value);
    let frozen = plain(&weights.query);
    let portable = gradients(decoder_block::portable(x.clone(), weights.clone(), &plan));
    let fast = gradients(kernels::decoder_block(x.clone(), weights, &plan));
    close(x.grad(&fast).unwrap(), x.grad(&portable).unwrap(), 1e-4);
    close(
        value.grad(&fast).unwrap(),
        value.grad(&portable).unwrap(),
        1e-4,
    );
    assert!(frozen.grad(&fast).is_none());
}

#[test]
fn packed_segments_equal_separate_runs() {
    let segments = Segments::new([5, 71, 17]);
    let q = random([93, 4, 16], 1).inner();
    let k = random([93, 2, 16], 2).inner();
    let v = random([93, 2, 16], 3).inner();
    let packed = kernels::attention(q.clone(), k.clone(), v.clone(), &segments, 0.25);
    for range in segments.iter() {
        let part = |x: &Tensor<3>| x.clone().slice_dim(0, range.clone());
        let alone = Segments::single(range.len());
        let separate = kernels::attention(part(&q), part(&k), part(&v), &alone, 0.25);
        separate
            .into_data()
            .assert_eq(&part(&packed).into_data(), true);
    }
}

#[test]
fn cross_entropy_agrees() {
    for (tokens, width, vocabulary) in [(1, 3, 2), (17, 31, 67), (40, 16, 50_021)] {
        let hidden = random([tokens, width], 1);
        let weight = random([vocabulary, width], 2);
        let targets: Vec<u32> = (0..tokens as u32)
            .map(|i| match i % 3 {
                1 => cross_entropy::IGNORE,
                _ => i * 7919 % vocabulary as u32,
            })
            .collect();
        let weights: Vec<f32> = (0..tokens).map(|i| 0.1 + i as f32).collect();
        let fast =
            kernels::linear_cross_entropy(hidden.clone(), weight.clone(), &targets, &weights);
        let portable = cross_entropy::portable(hidden.clone(), weight.clone(), &targets, &weights);
        for (fast, portable) in fast.token_losses.iter().zip(&portable.token_losses) {
            assert!((fast - portable).abs() < 1e-4, "{fast} {portable}");
        }
        compare!(2e-4, [hidden, weight], fast.loss, portable.loss);
    }
}

#[test]
fn cross_entropy_of_frozen_output_layer_reaches_hidden_states() {
    let hidden = random([4, 8], 1);
    let weight = frozen([11, 8], 2);
    let targets = [1, cross_entropy::IGNORE, 5, 10];
    let weights = [1.0; 4];
    let fast = kernels::linear_cross_entropy(hidden.clone(), weight.clone(), &targets, &weights);
    let portable = cross_entropy::portable(hidden.clone(), weight.clone(), &targets, &weights);
    compare!(2e-4, [hidden], fast.loss, portable.loss);
    let grads = fast_gradients(hidden, weight.clone(), &targets, &weights);
    assert!(weight.grad(&grads).is_none());
}

fn fast_gradients(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    targets: &[u32],
    weights: &[f32],
) -> burn::tensor::Gradients {
    let loss = kernels::linear_cross_entropy(hidden, weight, targets, weights).loss;
    loss.backward()
}

#[test]
fn nothing_supervised_is_a_loss_of_zero() {
    let hidden = random([2, 3], 1);
    let weight = random([5, 3], 2);
    let targets = [cross_entropy::IGNORE; 2];
    let result = kernels::linear_cross_entropy(hidden, weight, &targets, &[1.0; 2]);
    assert_eq!(result.loss.into_scalar::<f32>(), 0.0);
    assert_eq!(result.token_losses, [0.0; 2]);
}

#[test]
fn the_simd_level_can_be_lowered() {
    let avx512 = Precision::F32.instructions() == "AVX-512";
    if let Ok("portable" | "avx2") = std::env::var("XLDISTILL_SIMD").as_deref() {
        assert!(!avx512, "AVX-512 is used all the same");
    }
}

#[test]
fn lower_simd_levels_agree_too() {
    levels::run_at_lower_levels("lower_simd_levels_agree_too");
}
