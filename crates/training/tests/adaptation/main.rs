//! General adaptation against PyTorch (`reference/mt_llm/`), and what it does when it is killed.

mod fixture;
mod parity;
mod resume;
