//! Training on a tiny random Llama: against PyTorch, against itself in other batch shapes, killed and
//! resumed; and the loop with a recipe that knows no language model.

mod adapters;
mod chosen;
mod distillation;
mod encoding;
mod equivalence;
#[cfg(any(
    feature = "vulkan",
    feature = "metal",
    feature = "cuda",
    feature = "rocm",
    feature = "wgpu"
))]
mod gpu;
mod gradients;
mod interpolation;
mod llm2vec;
mod llm2vec_runs;
mod other_recipe;
mod resume;
mod settings_changed;
mod ten_steps;
mod tiny;
