//! Encoders against Transformers and PEFT, rung by rung: token ids and types, hidden states, every
//! gradient by name, adapters; then the invariants, and a published model. Fixtures and their
//! exporter: `reference/encoders`.

mod files;
mod fixture;
mod forward;
mod gradients;
mod retrieval;
#[path = "../tensors/mod.rs"]
mod tensors;
mod tokenized;

/// All fixtures. A new encoder adds its line here, and to the exporter.
const ENCODERS: &[(&str, &str)] = &[
    ("xlm_roberta", "mt_llm/xlm_roberta"),
    ("bert", "mt_llm/bert"),
    ("nllb", "m2m100/tiny"),
];

/// The fixtures by name.
fn all() -> impl Iterator<Item = &'static str> {
    ENCODERS.iter().map(|(name, _)| *name)
}
