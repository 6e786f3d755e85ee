//! One state for a sequence, or for a part of it.

use burn::Tensor;
use burn::tensor::TensorData;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of its tokens' hidden states stand for a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean of all, special tokens included.
    #[default]
    Mean,
    /// The last token.
    Eos,
    /// The first token.
    Cls,
}

impl Pooling {
    /// A state for each span, a list of rows of `hidden` [T, C], which is not empty: [N, C].
    /// Differentiable.
    ///
    /// # Panics
    /// If a span is empty or names a row that does not exist.
    pub fn pool(self, hidden: Tensor<2>, spans: &[Vec<u32>]) -> Tensor<2> {
        let one = |row: fn(&[u32]) -> Option<&u32>| -> Vec<u32> {
            let rows = spans.iter().map(|span| *row(span).expect("an empty span"));
            rows.collect()
        };
        match self {
            Self::Mean => means(hidden, spans),
            Self::Eos => kernels::embedding(hidden, &one(<[u32]>::last)),
            Self::Cls => kernels::embedding(hidden, &one(<[u32]>::first)),
        }
    }
}

/// The mean of the rows of each span, as a product with a matrix of shares [N, T]. There are far
/// fewer spans than rows in a layer of the model, so that its zeros cost nothing to speak of.
fn means(hidden: Tensor<2>, spans: &[Vec<u32>]) -> Tensor<2> {
    let [tokens, _] = hidden.dims();
    let mut shares = vec![0.0_f32; spans.len() * tokens];
    for (span, row) in spans.iter().zip(shares.chunks_exact_mut(tokens.max(1))) {
        assert!(!span.is_empty(), "an empty span");
        for &token in span {
            row[token as usize] = 1.0 / span.len() as f32;
        }
    }
    let shares = TensorData::new(shares, [spans.len(), tokens]);
    Tensor::from_data(shares, &hidden.device()).matmul(hidden)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn pooled(pooling: Pooling, spans: &[Vec<u32>]) -> Vec<f32> {
        let rows = [[1.0, 2.0], [3.0, 4.0], [8.0, 0.0], [5.0, 7.0]];
        let hidden = Tensor::<2>::from_floats(rows, &Device::flex());
        pooling.pool(hidden, spans).into_data().iter().collect()
    }

    #[test]
    fn a_span_is_its_mean_its_last_or_its_first_token() {
        let spans = [vec![0, 1], vec![1, 3], vec![2]];
        assert_eq!(
            pooled(Pooling::Mean, &spans),
            [2.0, 3.0, 4.0, 5.5, 8.0, 0.0]
        );
        assert_eq!(pooled(Pooling::Eos, &spans), [3.0, 4.0, 5.0, 7.0, 8.0, 0.0]);
        assert_eq!(pooled(Pooling::Cls, &spans), [1.0, 2.0, 3.0, 4.0, 8.0, 0.0]);
    }

    #[test]
    fn each_row_of_a_mean_gets_its_share_of_the_gradient() {
        let device = Device::flex().autodiff();
        for (pooling, expected) in [
            (Pooling::Mean, [0.5, 1.5, 1.0]),
            (Pooling::Eos, [0.0, 1.0, 2.0]),
            (Pooling::Cls, [1.0, 2.0, 0.0]),
        ] {
            let hidden = Tensor::<2>::from_floats([[1.0], [2.0], [3.0]], &device).require_grad();
            let spans = [vec![0, 1], vec![1, 2]];
            let weights = Tensor::from_floats([[1.0], [2.0]], &device);
            let loss = (pooling.pool(hidden.clone(), &spans) * weights).sum();
            let gradient = hidden.grad(&loss.backward()).unwrap();
            let found: Vec<f32> = gradient.into_data().iter().collect();
            assert_eq!(found, expected, "{pooling:?}");
        }
    }
}
