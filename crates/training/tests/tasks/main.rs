//! Classification and task distillation on tiny random models: against PyTorch
//! (`reference/mt_llm/export.py`), in other batch shapes, killed and resumed.

mod classify;
mod distil;
mod fixture;
mod parity;
mod refused;
mod trained;
