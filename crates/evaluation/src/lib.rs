//! Scores: metrics, significance, the tasks of an evaluation, and the report of a run.
//!
//! [`metric`] holds BLEU and chrF as sacrebleu computes them and [`significance`] their intervals
//! and paired tests. A [`task`] asks a model for something and scores what it gives;
//! [`suite`] runs the tasks over [`material`] and writes [`results`]. [`report`] gathers a run
//! folder into one JSON file, one page and one table. No tensor appears here.

pub mod material;
pub mod metric;
pub mod report;
pub mod results;
pub mod significance;
pub mod suite;
pub mod task;
