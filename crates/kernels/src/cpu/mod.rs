//! The CPU forms over plain slices: SIMD chosen at run time, threads of rayon's pool. No tensor here.

pub mod attention;
pub mod buffer;
pub mod gemm;
pub mod parallel;
pub mod simd;
pub mod team;
pub mod vector;
