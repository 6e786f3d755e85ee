//! Training on a tiny random Llama: against PyTorch, against itself in other batch shapes, and
//! killed and resumed.

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
mod resume;
mod ten_steps;
mod tiny;
