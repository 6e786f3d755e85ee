//! Sinusoidal positions (Vaswani et al. 2017), counted from the id of the padding token + 1.

use std::sync::{Arc, RwLock};

use burn::Tensor;
use burn::tensor::{Device, TensorData};
use kernels::Segments;

use super::M2m100Config;

/// The table of positions, extended when longer sequences occur.
#[derive(Debug, Clone)]
pub struct Positions {
    width: usize,
    pad: u32,
    /// The computed rows, concatenated.
    table: Arc<RwLock<Vec<f32>>>,
}

impl Positions {
    pub fn new(config: &M2m100Config) -> Self {
        Self {
            width: config.d_model,
            pad: config.pad_token_id,
            table: Arc::new(RwLock::new(Vec::new())),
        }
    }

    /// The position of each token of whole sequences.
    pub fn of_sequences(&self, ids: &[u32], segments: &Segments) -> Vec<u32> {
        positions_after_padding(ids, segments, self.pad)
    }

    /// The position of one more token per sequence, after `lengths` tokens. All previous tokens
    /// count, including padding, as in Transformers with a cache.
    pub fn of_next(&self, ids: &[u32], lengths: impl Iterator<Item = usize>) -> Vec<u32> {
        ids.iter()
            .zip(lengths)
            .map(|(&id, length)| match id == self.pad {
                true => self.pad,
                false => self.pad + 1 + length as u32,
            })
            .collect()
    }

    /// Rows of the table: [T, C].
    pub fn rows(&self, places: &[u32], device: &Device) -> Tensor<2> {
        let needed = places.iter().max().map_or(0, |&place| place as usize + 1);
        self.grow(needed);
        let table = self
            .table
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut values = Vec::with_capacity(places.len() * self.width);
        for &place in places {
            values.extend_from_slice(&table[place as usize * self.width..][..self.width]);
        }
        Tensor::from_data(TensorData::new(values, [places.len(), self.width]), device)
    }

    fn grow(&self, needed: usize) {
        let rows = |table: &Vec<f32>| table.len() / self.width;
        let enough = |table: &Vec<f32>| rows(table) >= needed;
        if enough(
            &self
                .table
                .read()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        ) {
            return;
        }
        let mut table = self
            .table
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let half = self.width / 2;
        let step = (10_000.0_f64).ln() / (half - 1) as f64;
        // f32 from here on, as in the reference: late positions depend on it.
        let frequencies: Vec<f32> = (0..half).map(|i| (i as f32 * -step as f32).exp()).collect();
        for place in rows(&table)..needed.next_power_of_two() {
            if place == self.pad as usize {
                table.resize((place + 1) * self.width, 0.0);
                continue;
            }
            table.extend(frequencies.iter().map(|f| (place as f32 * f).sin()));
            table.extend(frequencies.iter().map(|f| (place as f32 * f).cos()));
            table.resize((place + 1) * self.width, 0.0);
        }
    }
}

/// The position of each token of whole sequences, from the padding token's id + 1; padding tokens have
/// the padding position and are not counted.
pub(crate) fn positions_after_padding(ids: &[u32], segments: &Segments, pad: u32) -> Vec<u32> {
    let mut places = Vec::with_capacity(ids.len());
    for range in segments.iter() {
        let mut next = pad;
        places.extend(ids[range].iter().map(|&id| {
            if id == pad {
                return pad;
            }
            next += 1;
            next
        }));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_has_no_position_and_is_not_counted() {
        let positions = Positions {
            width: 6,
            pad: 1,
            table: Arc::default(),
        };
        let segments = Segments::new([4, 2]);
        assert_eq!(
            positions.of_sequences(&[7, 1, 8, 9, 5, 6], &segments),
            [2, 1, 3, 4, 2, 3]
        );
        assert_eq!(positions.of_next(&[7, 1], [3, 3].into_iter()), [5, 1]);
        let rows: Vec<f32> = (positions.rows(&[1, 2], &Device::flex()).into_data())
            .iter::<f32>()
            .collect();
        assert_eq!(rows[..6], [0.0; 6]);
        assert_eq!(rows[6], 2.0_f32.sin());
    }
}
