//! The linear map with the least squared error, by the normal equations.

use rayon::prelude::*;

/// Added to the diagonal of the normal equations, relative to its mean: enough to keep a singular
/// matrix solvable in f64, too little to change another's solution.
const RIDGE: f64 = 1e-9;

/// Pairs of vectors (x, y), of which only the sums of products are kept.
#[derive(Debug)]
pub struct LeastSquares {
    inputs: usize,
    outputs: usize,
    count: usize,
    /// Σ x·xᵀ, [inputs, inputs].
    gram: Vec<f64>,
    /// Σ x·yᵀ, [inputs, outputs].
    cross: Vec<f64>,
    /// Σ y and Σ y² for each output.
    sums: Vec<[f64; 2]>,
}

/// The map y ≈ W·x.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// W [outputs, inputs], row by row.
    pub weight: Vec<f32>,
    /// Number of pairs.
    pub count: usize,
    /// Fraction of the variance of y that is unexplained.
    pub fvu: f64,
}

impl LeastSquares {
    /// No pairs yet.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        Self {
            inputs,
            outputs,
            count: 0,
            gram: vec![0.0; inputs * inputs],
            cross: vec![0.0; inputs * outputs],
            sums: vec![[0.0; 2]; outputs],
        }
    }

    /// Number of pairs.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds pairs: rows of x and rows of y.
    ///
    /// # Panics
    /// If there are not as many of both.
    pub fn add(&mut self, x: &[f32], y: &[f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        assert_eq!(x.len() / inputs, y.len() / outputs, "pairs of vectors");
        let pairs = || x.chunks_exact(inputs).zip(y.chunks_exact(outputs));
        let rows = self.gram.par_chunks_mut(inputs);
        let rows = rows.zip(self.cross.par_chunks_mut(outputs)).enumerate();
        rows.for_each(|(row, (gram, cross))| {
            for (x, y) in pairs() {
                let factor = f64::from(x[row]);
                add_scaled(gram, x, factor);
                add_scaled(cross, y, factor);
            }
        });
        for (_, y) in pairs() {
            for ([sum, squares], &value) in self.sums.iter_mut().zip(y) {
                *sum += f64::from(value);
                *squares += f64::from(value).powi(2);
            }
        }
        self.count += x.len() / inputs;
    }

    /// The solution.
    pub fn solve(&self) -> Fit {
        let n = self.inputs;
        let mut factor = self.gram.clone();
        let trace: f64 = (0..n).map(|i| factor[i * n + i]).sum();
        for i in 0..n {
            factor[i * n + i] += RIDGE * trace / n as f64;
        }
        cholesky(&mut factor, n);
        let columns: Vec<Vec<f64>> = (0..self.outputs)
            .into_par_iter()
            .map(|output| {
                let right = (0..n).map(|i| self.cross[i * self.outputs + output]);
                substitute(&factor, right.collect())
            })
            .collect();
        Fit {
            fvu: self.unexplained(&columns),
            weight: columns
                .concat()
                .into_iter()
                .map(|value| value as f32)
                .collect(),
            count: self.count,
        }
    }

    /// Σ|y − W·x|² = Σ|y|² − 2·W·Σ(x·yᵀ) + W·Σ(x·xᵀ)·Wᵀ, over the sum of squares around the mean.
    fn unexplained(&self, columns: &[Vec<f64>]) -> f64 {
        let n = self.inputs;
        let explained = columns.par_iter().enumerate().map(|(output, weight)| {
            let with_cross = |i: usize| weight[i] * self.cross[i * self.outputs + output];
            let with_gram = |i: usize| weight[i] * dot(&self.gram[i * n..][..n], weight);
            (0..n)
                .map(|i| 2.0 * with_cross(i) - with_gram(i))
                .sum::<f64>()
        });
        let explained: f64 = explained.collect::<Vec<_>>().into_iter().sum();
        let squares: f64 = self.sums.iter().map(|[_, squares]| squares).sum();
        let mean = |[sum, _]: &[f64; 2]| sum * sum / self.count as f64;
        let around_mean = squares - self.sums.iter().map(mean).sum::<f64>();
        (squares - explained) / around_mean
    }
}

fn add_scaled(sum: &mut [f64], values: &[f32], factor: f64) {
    for (sum, &value) in sum.iter_mut().zip(values) {
        *sum += factor * f64::from(value);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// L with L·Lᵀ = `matrix` [n, n], in place of its lower triangle.
fn cholesky(matrix: &mut [f64], n: usize) {
    for i in 0..n {
        let (above, row) = matrix.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..][..n];
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        row[i] = (row[i] - dot(&row[..i], &row[..i])).sqrt();
    }
}

/// The solution v of L·Lᵀ·v = `right`.
fn substitute(factor: &[f64], mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for i in 0..n {
        right[i] = (right[i] - dot(&factor[i * n..][..i], &right[..i])) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        right[i] /= factor[i * n + i];
        let solved = right[i];
        for (j, value) in right[..i].iter_mut().enumerate() {
            *value -= factor[i * n + j] * solved;
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_map_is_found_and_explains_everything() {
        // y = (2a − b, a + 3b, 0.5·b) of x = (a, b).
        let x: Vec<f32> = (0..20)
            .flat_map(|i| [i as f32 / 7.0, (i * i % 11) as f32])
            .collect();
        let y: Vec<f32> = x
            .chunks(2)
            .flat_map(|x| [2.0 * x[0] - x[1], x[0] + 3.0 * x[1], 0.5 * x[1]])
            .collect();
        let mut sums = LeastSquares::new(2, 3);
        sums.add(&x[..12], &y[..18]);
        sums.add(&x[12..], &y[18..]);
        let fit = sums.solve();
        assert_eq!(fit.count, 20);
        for (found, expected) in fit.weight.iter().zip([2.0, -1.0, 1.0, 3.0, 0.0, 0.5]) {
            assert!((found - expected).abs() < 1e-5, "{:?}", fit.weight);
        }
        assert!(fit.fvu.abs() < 1e-6, "{}", fit.fvu);
    }

    #[test]
    fn inputs_that_always_agree_can_be_solved() {
        let mut sums = LeastSquares::new(2, 1);
        sums.add(&[1.0, 1.0, 2.0, 2.0, 3.0, 3.0], &[2.0, 4.0, 6.0]);
        let fit = sums.solve();
        assert!(
            (fit.weight[0] + fit.weight[1] - 2.0).abs() < 1e-4,
            "{fit:?}"
        );
    }
}
