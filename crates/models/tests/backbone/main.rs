//! Backbones against PyTorch: token ids, spans of choices, pooled states and gradients of tiny
//! stacks (`reference/mt_llm/`); and the directory in which a trained one is kept.

mod directory;
mod fixture;
mod gradients;
mod output_layer;
mod states;
#[path = "../tensors/mod.rs"]
mod tensors;
mod texts;
