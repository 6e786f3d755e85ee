//! The arithmetic of transformers: the few fused operations in which training and decoding spend
//! their time.
//!
//! Each operation is a function on Burn tensors and has two forms: a portable one in Burn's tensor
//! operations, which is differentiable and works on every device, and a fast one for the CPU (the
//! `Flex` backend) with its own backward pass, threads, and SIMD selected at run time. Tests
//! compare the two. This crate knows no model.
//!
//! Conventions: a batch is flat, its sequences laid end to end on one token axis T without padding
//! ([`Segments`]). Tokens are always the first axis (hidden states [T, C], heads [T, H, D]).
//! Weights are [out, in] as in checkpoints. Everything is f32 except in matrix products, which
//! follow [`Precision`].

#![warn(clippy::unwrap_used)]

mod cpu;
mod flex;
mod memory;
mod pool;
mod precision;
mod segments;
mod sight;

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod beam_cache;
pub mod cache;
pub mod cross_attention;
pub mod cross_entropy;
pub mod dropout;
pub mod embedding;
pub mod frozen;
pub mod gated;
pub mod layer_norm;
pub mod linear;
pub mod linears;
pub mod packed;
pub mod recomputed;
pub mod rms_norm;
pub mod rotary;
pub mod top_tokens;

pub use activation::{Activation, activate, gelu, relu};
pub use adamw::{AdamWState, AdamWStep, adamw, sum_of_squares};
pub use attention::attention;
pub use beam_cache::{BeamCache, beam_attention};
pub use cache::{KvCache, Slot, cached_attention};
pub use cross_attention::{KeyValues, cross_attention};
pub use cross_entropy::{CrossEntropy, IGNORE, Teacher, linear_cross_entropy, linear_distillation};
pub use dropout::{Dropout, drop_out};
pub use embedding::embedding;
pub use flex::{is_cpu, together};
pub use frozen::FrozenWeight;
pub use gated::{Gate, gated};
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use linears::{Adapter, Input, Linears, Projection, ProjectionWeight, linears};
pub use memory::{available_memory, peak_memory, resident_memory};
pub use packed::PackedLinear;
pub(crate) use precision::Factors;
pub use precision::Precision;
pub use recomputed::recomputed;
pub use rms_norm::rms_norm;
pub use rotary::{RotaryTable, rotary};
pub use segments::Segments;
pub use sight::Sight;
pub use top_tokens::{TopTokens, top_tokens};
