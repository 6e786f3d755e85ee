//! The rotary table of a model.

use std::sync::{Arc, RwLock};

use kernels::RotaryTable;

use super::LlamaConfig;

/// The rotary table, grown as longer sequences come.
#[derive(Debug, Clone)]
pub(super) struct Rotary(Arc<RwLock<RotaryTable>>);

impl Rotary {
    pub fn new(config: &LlamaConfig) -> Self {
        let positions = config.max_position_embeddings.min(2048);
        let table = RotaryTable::new(&config.inverse_frequencies(), 1.0, positions);
        Self(Arc::new(RwLock::new(table)))
    }

    /// A table that reaches the furthest of `positions`.
    pub fn covering(&self, positions: &[u32]) -> RotaryTable {
        let needed = positions
            .iter()
            .max()
            .map_or(0, |&furthest| furthest as usize + 1);
        let table = self
            .0
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone();
        if needed <= table.positions() {
            return table;
        }
        let table = table.covering(needed.next_power_of_two());
        *self
            .0
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = table.clone();
        table
    }
}
