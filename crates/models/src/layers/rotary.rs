//! The rotary table of a model.

use std::sync::{Arc, RwLock};

use kernels::RotaryTable;

/// The rotary table, extended when longer sequences occur.
#[derive(Debug, Clone)]
pub struct Rotary(Arc<RwLock<RotaryTable>>);

impl Rotary {
    /// A table with these inverse frequencies, for a model with this many positions.
    pub fn new(frequencies: &[f32], positions: usize) -> Self {
        let table = RotaryTable::new(frequencies, 1.0, positions.min(2048));
        Self(Arc::new(RwLock::new(table)))
    }

    /// The table, extended to the largest of `positions`.
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
