//! The flat batch of a forward pass and its weighted loss.

use burn::Tensor;
use kernels::{IGNORE, Segments, Teacher, linear_distillation};

use super::encode::Encoded;
use super::shared_prompts;

/// Examples laid end to end for one forward pass.
///
/// Each example contributes its tokens except the last, which is only predicted; a common beginning
/// of prompts occurs once.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Token ids, T of them.
    pub ids: Vec<u32>,
    /// One segment for each example, and one for each beginning that several share.
    pub segments: Segments,
    /// The segment of each example that holds its supervised tokens.
    pub segment_of_example: Vec<usize>,
    /// The next token if it belongs to an answer, otherwise [`IGNORE`].
    pub targets: Vec<u32>,
    /// Weight of each token's cross-entropy.
    pub weights: Vec<f32>,
}

impl Batch {
    /// Lays out `examples`; with `share_prompts`, the common beginnings of their prompts occur
    /// once. `token_weight` returns the weight of an example's answer tokens.
    pub fn new(
        examples: &[&Encoded],
        share_prompts: bool,
        token_weight: impl Fn(&Encoded) -> f64,
    ) -> Self {
        let (nodes, segment_of_example) = match share_prompts {
            true => shared_prompts::tree(examples),
            false => shared_prompts::flat(examples),
        };
        let mut ids = Vec::new();
        let mut targets = Vec::new();
        let mut weights = Vec::new();
        for node in &nodes {
            let example = examples[node.example];
            ids.extend(&example.ids[node.tokens.clone()]);
            // The target of token i is token i + 1 if that belongs to the answer.
            targets.extend(
                node.tokens
                    .clone()
                    .map(|at| match at + 1 < example.answer_start {
                        true => IGNORE,
                        false => example.ids[at + 1],
                    }),
            );
            let weight = token_weight(example) as f32;
            weights.extend(std::iter::repeat_n(weight, node.tokens.len()));
        }
        let segments = Segments::tree(nodes.iter().map(|node| (node.tokens.len(), node.parent)));
        Self {
            ids,
            segments,
            segment_of_example,
            targets,
            weights,
        }
    }
}

/// Result of a forward pass.
pub struct BatchLoss {
    /// Σ weight · cross-entropy over the supervised tokens, and Σ weight · divergence over the taught
    /// ones, shape `[1]`; carries the gradient.
    pub weighted: Tensor<1>,
    /// Value of `weighted`.
    pub value: f64,
    /// Unweighted mean cross-entropy over the answer of each example, in nats, in the order of the
    /// batch.
    pub example_means: Vec<f64>,
    /// Unweighted mean divergence from the teacher over the answer of each example; `None` for an
    /// example without a teacher.
    pub divergences: Vec<Option<f64>>,
}

/// The loss of `batch`, given its hidden states [T, C], the output layer's weight [V, C] and the
/// distributions of a teacher.
pub fn batch_loss(
    hidden: Tensor<2>,
    output_weight: Tensor<2>,
    batch: &Batch,
    teacher: &Teacher,
) -> BatchLoss {
    let (targets, weights) = (&batch.targets, &batch.weights);
    let loss = linear_distillation(hidden, output_weight, targets, weights, teacher);
    let sum = |values: &[f32], weights: &[f32]| -> f64 {
        let pairs = values.iter().zip(weights);
        pairs.map(|(&v, &w)| f64::from(v) * f64::from(w)).sum()
    };
    let value = sum(&loss.token_losses, weights) + sum(&loss.divergences, &teacher.weights);
    let divergences = batch
        .segment_of_example
        .iter()
        .map(|&segment| {
            let range = batch.segments.range(segment);
            let first = teacher.rows.partition_point(|&row| row < range.start);
            let end = teacher.rows.partition_point(|&row| row < range.end);
            let of_example = &loss.divergences[first..end];
            let total: f64 = of_example.iter().map(|&x| f64::from(x)).sum();
            (first < end).then(|| total / of_example.len() as f64)
        })
        .collect();
    let example_means = batch
        .segment_of_example
        .iter()
        .map(|&segment| {
            let range = batch.segments.range(segment);
            let supervised = batch.targets[range.clone()]
                .iter()
                .filter(|t| **t != IGNORE)
                .count();
            let total: f64 = loss.token_losses[range].iter().map(|&x| f64::from(x)).sum();
            total / supervised.max(1) as f64
        })
        .collect();
    BatchLoss {
        weighted: loss.loss,
        value,
        example_means,
        divergences,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corpus::record::Subset;

    #[test]
    fn the_answer_and_its_end_are_predicted_and_nothing_else() {
        let example = |ids: &[u32], answer_start| Encoded {
            id: String::new(),
            subset: Subset::LL,
            ids: ids.to_vec(),
            answer_start,
            teacher_prompt: None,
        };
        let (a, b) = (example(&[1, 2, 3, 9], 2), example(&[4, 5, 9], 2));
        let batch = Batch::new(&[&a, &b], true, |e| e.answer_tokens() as f64);
        assert_eq!(batch.ids, [1, 2, 3, 4, 5]);
        assert_eq!(batch.targets, [IGNORE, 3, 9, IGNORE, 9]);
        assert_eq!(batch.weights, [2.0, 2.0, 2.0, 1.0, 1.0]);
        assert_eq!(batch.segments, Segments::new([3, 2]));
    }
}
