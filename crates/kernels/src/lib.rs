//! The arithmetic of transformers: the few fused operations in which training and decoding spend
//! their time.
//!
//! Each operation is a function over Burn tensors and has two forms: a portable one in Burn's
//! tensor operations, differentiable and valid on every device, and a fast one for the CPU (the
//! `Flex` backend) with its own backward pass, threads and SIMD chosen at run time. The tests hold
//! one against the other. No model is known here.
//!
//! Conventions: a batch is flat, its sequences laid end to end on one token axis T without padding
//! ([`Segments`]); tokens are the first axis everywhere (hidden states [T, C], heads [T, H, D]);
//! weights are [out, in] as in checkpoints; everything is f32 outside matrix products, which
//! follow [`Precision`].

mod cpu;
mod flex;
mod memory;
mod pool;
mod precision;
mod segments;

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod beam_cache;
pub mod cache;
pub mod cross_attention;
pub mod cross_entropy;
pub mod decoder_block;
pub mod dropout;
pub mod embedding;
pub mod frozen;
pub mod layer_norm;
pub mod linear;
pub mod packed;
pub mod rms_norm;
pub mod rotary;
pub mod swiglu;
pub mod top_tokens;

pub use activation::{Activation, activate, gelu, relu};
pub use adamw::{AdamWState, AdamWStep, adamw, sum_of_squares};
pub use attention::{attention, bidirectional_attention};
pub use beam_cache::{BeamCache, beam_attention};
pub use cache::{KvCache, Slot, cached_attention};
pub use cross_attention::{KeyValues, cross_attention};
pub use cross_entropy::{CrossEntropy, IGNORE, linear_cross_entropy};
pub use decoder_block::{
    Adapter, BlockPlan, BlockWeights, Projection, ProjectionWeight, decoder_block,
};
pub use dropout::{Dropout, drop_out};
pub use embedding::embedding;
pub use flex::together;
pub use frozen::FrozenWeight;
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use memory::{available_memory, peak_memory, resident_memory, retain_memory};
pub use packed::{PackedLinear, WeightFormat};
pub use precision::Precision;
pub use rms_norm::rms_norm;
pub use rotary::{RotaryTable, rotary};
pub use segments::Segments;
pub use swiglu::swiglu;
pub use top_tokens::{TopTokens, top_tokens};
