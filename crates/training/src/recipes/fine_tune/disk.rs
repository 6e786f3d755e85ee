//! Estimates what training writes to disk, before it starts.

use models::Shape;

use super::config::{Method, TrainConfig};
use super::memory::gigabytes;

/// Bytes of a trained weight in a checkpoint: the weight and two moments, in f32.
const CHECKPOINTED: u64 = 12;

/// Bytes that the checkpoints and the model take at least, of a model of this shape. A checkpoint is
/// complete before an older one is deleted.
pub fn expected(model: &Shape, config: &TrainConfig) -> u64 {
    let all = (model.block_weights() + model.table_weights()) as u64;
    let exported = config.export_precision.bytes() as u64;
    let (trained, written) = match config.method {
        Method::Full => (all, exported * all),
        Method::Lora => {
            let adapters = adapter_weights(model, config.lora_rank);
            let merged = if config.lora_merge { all } else { 0 };
            (adapters, exported * (adapters + merged))
        }
    };
    let (checkpoint, kept) = (CHECKPOINTED * trained, config.keep_checkpoints as u64);
    kept.saturating_mul(checkpoint)
        .saturating_add(checkpoint.max(written))
}

/// Weights of adapters beside all linear layers of the blocks.
fn adapter_weights(model: &Shape, rank: usize) -> u64 {
    let width = model.hidden_size;
    let [queries, keys] =
        [model.num_attention_heads, model.num_key_value_heads].map(|heads| heads * model.head_dim);
    let attention = 2 * (width + queries) + 2 * (width + keys);
    let mlp = model.mlp_matrices * (width + model.intermediate_size);
    (rank * model.num_hidden_layers * (attention + mlp)) as u64
}

/// A warning if `free` bytes, and `written` ones that an earlier start of the run has left, are less
/// than the estimate.
pub fn warning(model: &Shape, config: &TrainConfig, free: u64, written: u64) -> Option<String> {
    let expected = expected(model, config);
    if expected <= free.saturating_add(written) {
        return None;
    }
    let smaller = match config.method {
        Method::Full => ", or set method = \"lora\"",
        Method::Lora => "",
    };
    Some(format!(
        "checkpoints and model take {} or more, and {} are free on the disk of the run; free some \
         space, or choose an output (or store) on another disk{smaller}",
        gigabytes(expected),
        gigabytes(free)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smollm() -> Shape {
        Shape {
            tie_word_embeddings: true,
            ..Shape::of_sizes([576, 1536, 30, 9, 3, 49_152])
        }
    }

    /// A finished run of SmolLM2-135M holds a checkpoint of 1.61 GB and a model of 0.54 GB.
    #[test]
    fn two_checkpoints_or_one_and_the_model_are_on_the_disk_at_once() {
        let full = TrainConfig::default();
        let size = |config: &TrainConfig| expected(&smollm(), config) as f64 / 1e9;
        assert!((size(&full) - 2.0 * 1.61).abs() < 0.02, "{}", size(&full));
        let lora = TrainConfig {
            method: Method::Lora,
            ..full.clone()
        };
        assert!(size(&lora) < 0.2, "{}", size(&lora));
        let merged = TrainConfig {
            lora_merge: true,
            ..lora
        };
        assert!((0.54..0.7).contains(&size(&merged)), "{}", size(&merged));
    }

    #[test]
    fn a_disk_that_is_too_small_is_reported_unless_the_run_itself_has_filled_it() {
        let config = TrainConfig::default();
        let warning = |free, written| warning(&smollm(), &config, free, written);
        let said = warning(3_000_000_000, 0).unwrap();
        assert!(
            said.contains("take 3.2 GB") && said.contains("3.0 GB are free"),
            "{said}"
        );
        assert!(said.contains("method = \"lora\""), "{said}");
        assert_eq!(warning(3_000_000_000, 1_600_000_000), None);
        assert_eq!(warning(u64::MAX, u64::MAX), None);
    }
}
