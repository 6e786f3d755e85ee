//! Every fast form equals its portable form: values and every gradient, on odd sizes.

mod levels;
mod tensors;

use burn::Tensor;
use kernels::{
    Activation, Gate, Precision, RotaryTable, Segments, Sight, activation, attention,
    cross_entropy, gated, layer_norm, linear, rms_norm,
};
use tensors::{close, compare, frozen, gradients, random};

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
    let exact = precision.instructions().starts_with("AVX");
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
fn gated_activations_agree() {
    for (tokens, width) in [(1, 1), (15, 17), (67, 1536)] {
        for kind in [Gate::Silu, Gate::GeluTanh] {
            let gate = (frozen([tokens, width], 1) * 8.0).require_grad();
            let up = random([tokens, width], 2);
            compare!(
                1e-5,
                [gate, up],
                kernels::gated(gate.clone(), up.clone(), kind),
                gated::portable(gate.clone(), up.clone(), kind)
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
    for lengths in [vec![1], vec![17], vec![3, 0, 67, 1], vec![131, 64, 65]] {
        for (heads, kv_heads, head_dim) in [(1, 1, 5), (6, 2, 16), (3, 3, 64)] {
            let segments = Segments::new(lengths.clone());
            let tokens = segments.tokens();
            let q = random([tokens, heads, head_dim], 1);
            let k = random([tokens, kv_heads, head_dim], 2);
            let v = random([tokens, kv_heads, head_dim], 3);
            let scale = 2.0 / (head_dim as f32).sqrt();
            for sight in [
                Sight::Causal,
                Sight::Window(1),
                Sight::Window(23),
                Sight::Both,
            ] {
                let parts = || (q.clone(), k.clone(), v.clone());
                let ((a, b, c), (d, e, f)) = (parts(), parts());
                compare!(
                    2e-4,
                    [q, k, v],
                    kernels::attention(a, b, c, &segments, scale, sight),
                    attention::portable(d, e, f, &segments, scale, sight)
                );
            }
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
        for sight in [Sight::Causal, Sight::Window(19)] {
            let parts = || (q.clone(), k.clone(), v.clone());
            let ((a, b, c), (d, e, f)) = (parts(), parts());
            compare!(
                2e-4,
                [q, k, v],
                kernels::attention(a, b, c, &segments, 0.3, sight),
                attention::portable(d, e, f, &segments, 0.3, sight)
            );
        }
    }
}

#[test]
fn a_shared_beginning_equals_sequences_of_their_own() {
    let segments = tree();
    let q = random([segments.tokens(), 4, 16], 1).inner();
    let k = random([segments.tokens(), 2, 16], 2).inner();
    let v = random([segments.tokens(), 2, 16], 3).inner();
    let shared = kernels::attention(
        q.clone(),
        k.clone(),
        v.clone(),
        &segments,
        0.25,
        Sight::Causal,
    );
    for index in [1, 3, 5, 6, 7] {
        let path = segments.path(index);
        let along = |x: &Tensor<3>| {
            let parts = path.iter().map(|r| x.clone().slice_dim(0, r.clone()));
            Tensor::cat(parts.collect(), 0)
        };
        let alone = Segments::single(path.iter().map(|range| range.len()).sum());
        let separate =
            kernels::attention(along(&q), along(&k), along(&v), &alone, 0.25, Sight::Causal);
        close(along(&shared), separate, 1e-6);
    }
}

#[test]
fn packed_segments_equal_separate_runs() {
    let segments = Segments::new([5, 71, 17]);
    let q = random([93, 4, 16], 1).inner();
    let k = random([93, 2, 16], 2).inner();
    let v = random([93, 2, 16], 3).inner();
    let packed = kernels::attention(
        q.clone(),
        k.clone(),
        v.clone(),
        &segments,
        0.25,
        Sight::Causal,
    );
    for range in segments.iter() {
        let part = |x: &Tensor<3>| x.clone().slice_dim(0, range.clone());
        let alone = Segments::single(range.len());
        let separate =
            kernels::attention(part(&q), part(&k), part(&v), &alone, 0.25, Sight::Causal);
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
        let portable = cross_entropy::portable(
            hidden.clone(),
            weight.clone(),
            &targets,
            &weights,
            &kernels::Teacher::default(),
        );
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
    let teacher = kernels::Teacher::default();
    let portable =
        cross_entropy::portable(hidden.clone(), weight.clone(), &targets, &weights, &teacher);
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
fn the_simd_level_is_the_processors_or_a_lower_limit() {
    #[cfg(target_arch = "x86_64")]
    let has_avx512 = std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vl");
    #[cfg(not(target_arch = "x86_64"))]
    let has_avx512 = false;
    let limit = std::env::var("XLDISTILL_SIMD");
    let allowed = !matches!(limit.as_deref(), Ok("portable" | "avx2"));
    let used = Precision::F32.instructions() == "AVX-512";
    assert_eq!(used, has_avx512 && allowed, "limit {limit:?}");
}

#[test]
fn lower_simd_levels_agree_too() {
    levels::run_at_lower_levels("lower_simd_levels_agree_too");
}
