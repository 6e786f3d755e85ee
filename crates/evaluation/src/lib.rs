//! Scores: metrics, significance, the tasks of an evaluation, and the report of a run.
//!
//! [`metric`] computes BLEU and chrF as sacrebleu does, [`significance`] their confidence intervals
//! and paired tests, and [`score`] combines them. A [`task`] prompts a model and scores its output;
//! published test sets are [`benchmarks`]. [`suite`] runs the tasks on the [`material`] and writes
//! [`results`]. [`report`] turns a run's folder into a JSON file, a page and a table; [`compare`] and
//! [`grid`] put several runs side by side. This crate knows no tensors.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used)]

pub mod benchmarks;
pub mod classification;
pub mod compare;
pub mod grid;
pub mod inside;
pub mod material;
pub mod metric;
pub mod report;
pub mod results;
mod row_file;
pub mod rows;
pub mod score;
pub mod significance;
pub mod suite;
pub mod task;
