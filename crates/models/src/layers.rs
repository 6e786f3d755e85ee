//! The layers that architectures share, and the loading of their weights.
//!
//! Fields are named like the tensors of Hugging Face checkpoints, so that a parameter's path in a
//! model is the name of its tensor. Shapes: T tokens of all sequences laid end to end, C hidden, F
//! inside the MLP, H query heads, KV key and value heads of size D, V vocabulary.

mod attention;
mod embedding;
mod gated_mlp;
mod linear;
mod loader;
mod lora;
mod multi_head_attention;
mod named_linears;
mod norm;
mod pass;
mod pooling;
mod rope_scaling;
mod rotary;

pub use attention::{AttentionPlan, SelfAttention};
pub use embedding::Embedding;
pub use gated_mlp::GatedMlp;
pub(crate) use gated_mlp::attention_and_mlp;
pub use linear::{Linear, WeightForm};
pub(crate) use loader::{Loader, MapLayer, Parts};
pub use lora::{Lora, LoraConfig, LoraTargetError};
pub use multi_head_attention::MultiHeadAttention;
pub use named_linears::NamedLinears;
pub use norm::{LayerNorm, RmsNorm};
pub use pass::{Attention, Block, Context, Pass};
pub(crate) use pass::{run_block, run_blocks};
pub use pooling::Pooling;
pub use rope_scaling::RopeScaling;
pub(crate) use rope_scaling::inverse_frequencies;
pub use rotary::Rotary;
