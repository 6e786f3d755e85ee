//! The output layer and its loss in one: logits are never held for all tokens.

use burn::Tensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, TensorData};

/// Target of a token that is not supervised.
pub const IGNORE: u32 = u32::MAX;

/// What [`linear_cross_entropy`] returns.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    /// Σ weight · cross-entropy over the supervised tokens, shape [1]; carries the gradient.
    pub loss: Tensor<1>,
    /// Unweighted cross-entropy of each token in nats, T values; 0 where the target is [`IGNORE`].
    pub token_losses: Vec<f32>,
}

/// Cross-entropy of `hidden` [T, C] · `weight`ᵀ against `targets`, weighted and summed.
///
/// `weight` [V, C] is the output layer (the token table where they are tied), `targets` the T
/// token ids to predict — the *next* token of each position, [`IGNORE`] where there is none —
/// and `weights` one factor for each token. Logits are computed for supervised tokens only.
///
/// # Panics
/// If `targets` or `weights` do not have T values, or a target is not below V.
pub fn linear_cross_entropy(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    targets: &[u32],
    weights: &[f32],
) -> CrossEntropy {
    check(&hidden, &weight, targets, weights);
    portable(hidden, weight, targets, weights)
}

/// [`linear_cross_entropy`] in Burn's tensor operations.
pub fn portable(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    targets: &[u32],
    weights: &[f32],
) -> CrossEntropy {
    let device = hidden.device();
    let supervised = supervised(targets);
    let count = supervised.len();
    if count == 0 {
        return CrossEntropy {
            loss: Tensor::zeros([1], &device),
            token_losses: vec![0.0; targets.len()],
        };
    }
    let index =
        |values: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(values, [count]), &device);
    let rows = index(supervised.iter().map(|&row| row as i64).collect());
    let classes = index(
        supervised
            .iter()
            .map(|&row| i64::from(targets[row]))
            .collect(),
    );
    let factors: Vec<f32> = supervised.iter().map(|&row| weights[row]).collect();
    let factors = Tensor::<1>::from_data(TensorData::new(factors, [count]), &device);

    let logits = hidden.select(0, rows).matmul(weight.transpose());
    let losses: Tensor<1> = log_softmax(logits, 1)
        .gather(1, classes.reshape([count, 1]))
        .neg()
        .reshape([count]);
    let values = losses.clone().into_data().convert::<f32>();
    let mut token_losses = vec![0.0; targets.len()];
    for (&row, value) in supervised.iter().zip(values.iter::<f32>()) {
        token_losses[row] = value;
    }
    CrossEntropy {
        loss: (losses * factors).sum(),
        token_losses,
    }
}

/// Rows that have a target.
fn supervised(targets: &[u32]) -> Vec<usize> {
    (0..targets.len())
        .filter(|&row| targets[row] != IGNORE)
        .collect()
}

fn check(hidden: &Tensor<2>, weight: &Tensor<2>, targets: &[u32], weights: &[f32]) {
    let [tokens, width] = hidden.dims();
    let [vocabulary, columns] = weight.dims();
    assert_eq!(width, columns, "width of hidden states and output layer");
    assert_eq!(targets.len(), tokens, "one target for each token");
    assert_eq!(weights.len(), tokens, "one weight for each token");
    if let Some(target) = targets
        .iter()
        .find(|&&target| target != IGNORE && target as usize >= vocabulary)
    {
        panic!("target {target} is not in the vocabulary of {vocabulary}");
    }
}
