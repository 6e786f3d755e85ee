//! Estimates the memory that training takes, before it starts.

use kernels::Precision;
use models::{Shape, WeightForm};

use super::config::{Method, TrainConfig};

/// Bytes of a trained weight with its gradient and two moments, in f32.
const TRAINED: u64 = 16;
/// Maximum number of logits held at once.
const LOGITS: u64 = 50 << 20;

/// Estimated peak memory, in bytes, of fine-tuning a model of this shape on the CPU; within 20 % of
/// the measurements, from 135 million to 7 billion weights.
pub fn expected(model: &Shape, config: &TrainConfig) -> u64 {
    let [blocks, tables] = [model.block_weights(), model.table_weights()].map(|n| n as u64);
    let held = match (config.method, config.weight_form()) {
        (Method::Full, _) => TRAINED * (blocks + tables),
        // Packed for both passes, and the tables unpacked.
        (Method::Lora, WeightForm::Frozen(Precision::Int8)) => 2 * blocks + 4 * tables,
        (Method::Lora, _) => 4 * blocks + 4 * tables,
    };
    held + pass(model, config)
}

/// Bytes of one forward and backward pass.
fn pass(model: &Shape, config: &TrainConfig) -> u64 {
    let tokens = config.tokens_per_batch as u64;
    let [width, inner, heads, kv_heads, head, layers, vocabulary] = [
        model.hidden_size,
        model.intermediate_size,
        model.num_attention_heads,
        model.num_key_value_heads,
        model.head_dim,
        model.num_hidden_layers,
        model.vocab_size,
    ]
    .map(|size| size as u64);
    // Input and middle of a block; queries, keys and values; output of attention; gate and up.
    let block = 2 * width + (heads + 2 * kv_heads) * head + heads * head + 2 * inner;
    let kept = match config.recompute {
        true => layers * width,
        false => layers * block,
    };
    // One block in its backward pass.
    let backward = block + 3 * inner + 3 * width;
    let logits = LOGITS.min(tokens * vocabulary);
    // The output layer is packed when it is used.
    4 * (tokens * (kept + backward) + logits + vocabulary * width)
}

/// A warning if the estimate exceeds `available` bytes, with settings that need less. 0 bytes means
/// that the available memory is unknown.
pub fn warning(model: &Shape, config: &TrainConfig, available: u64) -> Option<String> {
    let expected = expected(model, config);
    if available == 0 || expected <= available {
        return None;
    }
    let lighter = |change: &str, config: TrainConfig| {
        let needed = self::expected(model, &config);
        (needed < expected).then(|| format!("{change} needs {}", gigabytes(needed)))
    };
    let int8 = TrainConfig {
        method: Method::Lora,
        precision: Precision::Int8,
        ..config.clone()
    };
    let recompute = TrainConfig {
        recompute: true,
        ..int8.clone()
    };
    let frozen = lighter("method = \"lora\" with precision = \"int8\"", int8);
    let recomputed = match frozen {
        Some(_) => "that with recompute = true",
        None => "recompute = true",
    };
    let advice = [
        frozen,
        lighter(recomputed, recompute),
        Some("a lower tokens_per_batch also needs less".to_owned()),
    ];
    Some(format!(
        "training is expected to take {} of memory, and {} are available; {}",
        gigabytes(expected),
        gigabytes(available),
        advice.into_iter().flatten().collect::<Vec<_>>().join(", ")
    ))
}

/// A number of bytes in gigabytes, e.g. `16.2 GB`; in megabytes if it is small.
pub fn gigabytes(bytes: u64) -> String {
    match bytes {
        0..100_000_000 => format!("{:.0} MB", (bytes as f64 / 1e6).ceil()),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Peaks of the benchmarked steps (docs/performance.md).
    #[test]
    fn measured_peaks_are_met() {
        let smollm = Shape {
            tie_word_embeddings: true,
            ..Shape::of_sizes([576, 1536, 30, 9, 3, 49_152])
        };
        let tiny_llama = Shape::of_sizes([2048, 5632, 22, 32, 4, 32_000]);
        let llama_7b = Shape::of_sizes([4096, 11_008, 32, 32, 32, 32_000]);
        for (model, method, precision, tokens, recompute, measured) in [
            (&smollm, Method::Full, Precision::Bf16, 1024, false, 2.88),
            (&smollm, Method::Full, Precision::Bf16, 4096, false, 4.99),
            (&smollm, Method::Lora, Precision::Bf16, 1024, false, 1.61),
            (
                &tiny_llama,
                Method::Lora,
                Precision::Bf16,
                1024,
                false,
                6.74,
            ),
            (
                &tiny_llama,
                Method::Lora,
                Precision::Int8,
                1024,
                false,
                4.76,
            ),
            (&llama_7b, Method::Lora, Precision::Int8, 512, false, 17.98),
            (&llama_7b, Method::Lora, Precision::Int8, 1024, true, 15.70),
        ] {
            let config = TrainConfig {
                method,
                precision,
                tokens_per_batch: tokens,
                recompute,
                ..TrainConfig::default()
            };
            let ratio = expected(model, &config) as f64 / 1e9 / measured;
            let what = (model.hidden_size, method, precision, tokens);
            assert!((0.8..1.2).contains(&ratio), "{what:?}: {ratio}");
        }
    }

    #[test]
    fn too_little_memory_is_reported_with_settings_that_need_less() {
        let model = Shape::of_sizes([4096, 11_008, 32, 32, 32, 32_000]);
        let config = TrainConfig::default();
        let warning = warning(&model, &config, 24_000_000_000).unwrap();
        assert!(warning.contains("and 24.0 GB are available"), "{warning}");
        assert!(
            warning.contains("precision = \"int8\" needs 2"),
            "{warning}"
        );
        assert!(
            warning.contains("that with recompute = true needs 16.6 GB"),
            "{warning}"
        );
        // The figures of `init`, README and examples/paper.
        let config = TrainConfig {
            method: Method::Lora,
            precision: Precision::Int8,
            ..config
        };
        let warning = super::warning(&model, &config, 24_000_000_000).unwrap();
        assert!(warning.contains("expected to take 27.7 GB"), "{warning}");
        assert!(
            warning.contains("; recompute = true needs 16.6 GB"),
            "{warning}"
        );
        assert_eq!(super::warning(&model, &config, u64::MAX), None);
        assert_eq!(super::warning(&model, &config, 0), None, "not known");
    }
}
