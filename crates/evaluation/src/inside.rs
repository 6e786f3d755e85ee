//! How close an LLM's representations of the same sentence in two languages are (section 4.4 and
//! Figure 2 of the SDRRL paper): numbers, and a map of both.

mod page;
mod tsne;

use serde::{Deserialize, Serialize};

pub use page::render as html;
pub use tsne::tsne;

/// What the representations of translations are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Closeness {
    /// Number of pairs of sentences.
    pub pairs: usize,
    /// Mean cosine of a sentence and its translation.
    pub translations: f64,
    /// Mean cosine of a sentence and another one's translation.
    pub others: f64,
    /// Share of source sentences to which their translation is the closest of all target sentences.
    pub retrieved_from_source: f64,
    /// The same from the target side.
    pub retrieved_from_target: f64,
    /// Linear CKA of both sides (Kornblith et al. 2019, arXiv 1905.00414): 1 if they have the same
    /// geometry.
    pub cka: f64,
}

/// Representations of pairs of sentences, and their places on a map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inside {
    /// The model, e.g. `before`.
    pub name: String,
    /// The numbers.
    pub closeness: Closeness,
    /// t-SNE coordinates of the source sentences.
    pub source: Vec<[f64; 2]>,
    /// Those of their translations, on the same map.
    pub target: Vec<[f64; 2]>,
}

impl Inside {
    /// The numbers and the map of `source` and their translations `target`, a row a sentence.
    ///
    /// # Panics
    /// If the numbers of rows differ.
    pub fn of(name: &str, source: &[Vec<f32>], target: &[Vec<f32>], seed: u64) -> Self {
        let all: Vec<Vec<f32>> = source.iter().chain(target).cloned().collect();
        let mut places = tsne(&all, seed);
        let target_places = places.split_off(source.len());
        Self {
            name: name.to_owned(),
            closeness: closeness(source, target),
            source: places,
            target: target_places,
        }
    }
}

/// The numbers of `source` and their translations `target`, a row a sentence.
///
/// # Panics
/// If the numbers of rows differ.
pub fn closeness(source: &[Vec<f32>], target: &[Vec<f32>]) -> Closeness {
    assert_eq!(source.len(), target.len(), "a translation per sentence");
    let pairs = source.len();
    let (one, other) = (unit(source), unit(target));
    let cosines: Vec<Vec<f64>> = one
        .iter()
        .map(|row| other.iter().map(|column| dot(row, column)).collect())
        .collect();
    let own: f64 = (0..pairs).map(|at| cosines[at][at]).sum();
    let all: f64 = cosines.iter().flatten().sum();
    let closest = |row: usize, at: &dyn Fn(usize, usize) -> f64| {
        let own = at(row, row);
        (0..pairs).all(|column| column == row || at(row, column) < own)
    };
    let share = |at: &dyn Fn(usize, usize) -> f64| {
        let hits = (0..pairs).filter(|row| closest(*row, at)).count();
        hits as f64 / pairs.max(1) as f64
    };
    Closeness {
        pairs,
        translations: own / pairs.max(1) as f64,
        others: (all - own) / (pairs * pairs.saturating_sub(1)).max(1) as f64,
        retrieved_from_source: share(&|row, column| cosines[row][column]),
        retrieved_from_target: share(&|row, column| cosines[column][row]),
        cka: cka(source, target),
    }
}

/// Linear CKA by centred Gram matrices; 0 if a side does not vary.
fn cka(one: &[Vec<f32>], other: &[Vec<f32>]) -> f64 {
    let (one, other) = (centred_gram(one), centred_gram(other));
    let product = |left: &[f64], right: &[f64]| -> f64 {
        left.iter()
            .zip(right)
            .map(|(left, right)| left * right)
            .sum()
    };
    let scale = (product(&one, &one) * product(&other, &other)).sqrt();
    match scale > 0.0 {
        true => product(&one, &other) / scale,
        false => 0.0,
    }
}

/// Inner products of the rows after their mean is taken off, row after row.
fn centred_gram(rows: &[Vec<f32>]) -> Vec<f64> {
    let width = rows.first().map_or(0, Vec::len);
    let mut mean = vec![0.0; width];
    for row in rows {
        let share = 1.0 / rows.len() as f64;
        mean.iter_mut()
            .zip(row)
            .for_each(|(mean, value)| *mean += share * f64::from(*value));
    }
    let centre = |row: &Vec<f32>| -> Vec<f64> {
        let values = row.iter().zip(&mean);
        values
            .map(|(value, mean)| f64::from(*value) - mean)
            .collect()
    };
    let centred: Vec<Vec<f64>> = rows.iter().map(centre).collect();
    let mut gram = Vec::with_capacity(rows.len() * rows.len());
    for row in &centred {
        gram.extend(centred.iter().map(|column| dot(row, column)));
    }
    gram
}

/// The rows with length 1.
fn unit(rows: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let scaled = |row: &Vec<f32>| {
        let row: Vec<f64> = row.iter().copied().map(f64::from).collect();
        let length = dot(&row, &row).sqrt().max(f64::MIN_POSITIVE);
        row.iter().map(|value| value / length).collect()
    };
    rows.iter().map(scaled).collect()
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_small_example() {
        let source = [vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 1.0]];
        let same = closeness(&source, &source);
        assert!((same.translations - 1.0).abs() < 1e-12 && (same.cka - 1.0).abs() < 1e-12);
        assert_eq!(
            (same.retrieved_from_source, same.retrieved_from_target),
            (1.0, 1.0)
        );
        // cos 90°, 45° and 45°, each twice.
        assert!((same.others - 2.0 * (0.0 + 2.0 * 0.5_f64.sqrt()) / 6.0).abs() < 1e-12);

        // Two translations changed places: the third is still found.
        let swapped = [vec![0.0, 2.0], vec![2.0, 0.0], vec![2.0, 2.0]];
        let swapped = closeness(&source, &swapped);
        assert!((swapped.retrieved_from_source - 1.0 / 3.0).abs() < 1e-12);
        assert!((swapped.translations - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn cka_does_not_change_with_rotation_and_scale() {
        let one = [
            vec![1.0, 2.0],
            vec![-3.0, 0.5],
            vec![0.25, -1.0],
            vec![2.0, 2.0],
        ];
        let turned: Vec<Vec<f32>> = one
            .iter()
            .map(|row| vec![-3.0 * row[1], 3.0 * row[0]])
            .collect();
        assert!((cka(&one, &turned) - 1.0).abs() < 1e-9);
        let other = [
            vec![1.0, 0.0],
            vec![1.0, 0.0],
            vec![0.0, 1.0],
            vec![0.0, -1.0],
        ];
        assert!(cka(&one, &other) < 0.9);
        assert_eq!(
            cka(&one, &[vec![1.0], vec![1.0], vec![1.0], vec![1.0]]),
            0.0
        );
    }
}
