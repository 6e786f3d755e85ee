//! The contrastive loss of pairs of states.

use burn::Tensor;
use burn::tensor::TensorData;
use burn::tensor::activation::log_softmax;

use super::views::split;

/// Mean cross-entropy of each second state among all second states, given the first, by cosine /
/// `temperature`, from `states` [2N, C]: N first states and then the N second ones. Shape `[1]`,
/// differentiable.
///
/// LLM2Vec's `HardNegativeNLLLoss` without hard negatives, of scale 1 / `temperature`.
pub fn contrast(states: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [firsts, seconds] = split(states).map(unit);
    let scores = firsts.matmul(seconds.transpose()) / temperature;
    let [count, _] = scores.dims();
    let own = identity(count, -1.0 / count as f32);
    let own = Tensor::from_data(own, &scores.device());
    (log_softmax(scores, 1) * own).sum()
}

/// Measures of pairs of states.
#[derive(Debug, Clone, PartialEq)]
pub struct InBatch {
    /// [`contrast`].
    pub loss: f64,
    /// The share of [`contrast`] that each pair has.
    pub losses: Vec<f64>,
    /// Whether each first state has its own second state as the nearest.
    pub correct: Vec<bool>,
    /// Share of them.
    pub accuracy: f64,
    /// Mean squared distance of the two unit vectors of a pair; 0 at best.
    pub alignment: f64,
    /// log of the mean of e^(−2·squared distance) over the first unit vectors of different pairs;
    /// lower is better.
    pub uniformity: f64,
}

/// [`contrast`] of `states` [2N, C] and what it consists of; not differentiable.
pub fn in_batch(states: Tensor<2>, temperature: f64) -> InBatch {
    let [firsts, seconds] = split(states).map(unit);
    let rows = |scores: Tensor<2>| -> Vec<Vec<f64>> {
        let [count, _] = scores.dims();
        let values: Vec<f64> = scores.into_data().iter::<f64>().collect();
        values.chunks(count).map(<[f64]>::to_vec).collect()
    };
    let across = rows(firsts.clone().matmul(seconds.transpose()));
    let within = rows(firsts.clone().matmul(firsts.transpose()));
    let count = across.len();
    let of_pair = |(own, cosines): (usize, &Vec<f64>)| {
        let largest = cosines.iter().copied().fold(f64::MIN, f64::max);
        let exponentials = cosines
            .iter()
            .map(|cosine| ((cosine - largest) / temperature).exp());
        let log_sum = exponentials.sum::<f64>().ln() + largest / temperature;
        (log_sum - cosines[own] / temperature) / count as f64
    };
    let losses: Vec<f64> = across.iter().enumerate().map(of_pair).collect();
    let nearest = |(own, cosines): (usize, &Vec<f64>)| {
        (0..count).all(|other| other == own || cosines[other] < cosines[own])
    };
    let correct: Vec<bool> = across.iter().enumerate().map(nearest).collect();
    let distance = |cosine: f64| 2.0 - 2.0 * cosine;
    let alignment = (0..count)
        .map(|pair| distance(across[pair][pair]))
        .sum::<f64>();
    let different = (0..count).flat_map(|one| (0..one).map(move |other| (one, other)));
    let potentials = different.map(|(one, other)| (-2.0 * distance(within[one][other])).exp());
    let pairs = (count * count.saturating_sub(1) / 2).max(1) as f64;
    InBatch {
        loss: losses.iter().sum(),
        accuracy: correct.iter().filter(|&&correct| correct).count() as f64 / count as f64,
        losses,
        correct,
        alignment: alignment / count as f64,
        uniformity: (potentials.sum::<f64>() / pairs).ln(),
    }
}

/// Each row divided by its length.
fn unit(states: Tensor<2>) -> Tensor<2> {
    let length = states.clone().powf_scalar(2.0).sum_dim(1).sqrt();
    // As in PyTorch, so that a state of zeros does not become NaN.
    states / length.clamp_min(1e-12)
}

/// A square matrix with `value` on its diagonal.
fn identity(size: usize, value: f32) -> TensorData {
    let mut values = vec![0.0; size * size];
    values
        .iter_mut()
        .step_by(size + 1)
        .for_each(|own| *own = value);
    TensorData::new(values, [size, size])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn states() -> Tensor<2> {
        let rows = [[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [-1.0, 1.0]];
        Tensor::from_floats(rows, &Device::flex())
    }

    #[test]
    fn the_loss_is_the_cross_entropy_of_the_own_second_state() {
        // Cosines of (1, 0) and (0, 1) with (1, 1)/√2 and (-1, 1)/√2.
        let half = 0.5_f64.sqrt();
        let one = ((half / 0.5).exp() + (-half / 0.5).exp()).ln() - half / 0.5;
        let other = 2.0_f64.ln();
        let expected = (one + other) / 2.0;
        let measures = in_batch(states(), 0.5);
        assert!((measures.loss - expected).abs() < 1e-6, "{}", measures.loss);
        let tensor: f64 = contrast(states(), 0.5).into_scalar::<f32>().into();
        assert!((tensor - expected).abs() < 1e-6, "{tensor}");
        // A tie is not a hit.
        assert_eq!(
            (measures.correct, measures.accuracy),
            (vec![true, false], 0.5)
        );
        assert!((measures.alignment - (2.0 - 2.0 * half)).abs() < 1e-6);
        assert!(
            (measures.uniformity + 4.0).abs() < 1e-6,
            "{}",
            measures.uniformity
        );
    }
}
