//! The CPU forms on plain slices: SIMD selected at run time, threads of rayon's pool. No tensors
//! here.

pub mod attention;
pub mod buffer;
pub mod gemm;
pub mod parallel;
pub mod simd;
pub mod team;
pub mod vector;
