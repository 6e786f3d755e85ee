//! Decoders against Transformers and PEFT, rung by rung: hidden states and logits, loss, every
//! gradient by name, generated ids; then the files that hold the same model, and the invariants.
//! Fixtures: `reference/FAMILY/VARIANT`; their exporter: `reference/decoders`.

mod files;
mod fixture;
mod forward;
mod gradients;
#[path = "../tensors/mod.rs"]
mod tensors;

/// What there is beside a fixture's directory.
#[derive(Debug, PartialEq)]
enum Beside {
    /// `older_config.json`: its configuration as Transformers 4 wrote it.
    OlderConfig,
    /// `VARIANT.gguf`.
    Gguf,
    /// `VARIANT_lora/`: a PEFT adapter. The directory has a tokenizer.
    Adapter,
}

use Beside::{Adapter, Gguf, OlderConfig};

/// All fixtures. A new decoder adds its lines here.
const DECODERS: &[(&str, &[Beside])] = &[
    ("llama/grouped_tied", &[Gguf, Adapter]),
    ("llama/llama3_rope", &[OlderConfig]),
    ("llama/biases_linear_rope", &[]),
    ("llama/qwen2", &[]),
    ("llama/mistral_bf16_sharded", &[]),
    ("llama/mistral_windowed", &[]),
    ("llama/qwen2_windowed", &[]),
    ("qwen3/tied", &[OlderConfig, Gguf, Adapter]),
    ("qwen3/untied", &[]),
    ("gemma3/scaled", &[OlderConfig, Adapter]),
    ("gemma3/seven_layers", &[Gguf]),
    ("gpt2/tied", &[OlderConfig, Gguf, Adapter]),
    ("gpt2/hub_names", &[]),
];

/// All fixtures by name.
fn all() -> impl Iterator<Item = &'static str> {
    DECODERS.iter().map(|(name, _)| *name)
}

/// The fixtures that have this beside them.
fn with(what: Beside) -> impl Iterator<Item = &'static str> {
    let fixtures = DECODERS.iter();
    fixtures.filter_map(move |(name, beside)| beside.contains(&what).then_some(*name))
}
