//! Losses of one token, whose logits become the slopes of its weighted loss.

use super::teacher::TeacherRow;
use crate::cpu::parallel::for_each_simd;
use crate::cpu::vector::{exp_sum, max};

/// Share of the probability that a student leaves to the other tokens at least, so that its
/// logarithm is finite.
const LEAST_REST: f32 = 1e-30;

for_each_simd! {
    /// Cross-entropy of one row; with `gradient`, the logits become weight · (softmax - target).
    pub fn row_loss(logits: &mut [f32], class: usize, weight: f32, gradient: bool) -> f32 {
        let target = logits[class];
        let largest = max(logits);
        let sum = exp_sum(logits, 1.0, largest);
        if gradient {
            let factor = weight / sum;
            for value in logits.iter_mut() {
                *value *= factor;
            }
            logits[class] -= weight;
        }
        largest + sum.ln() - target
    }
}

for_each_simd! {
    /// Cross-entropy of one row, and the Kullback-Leibler divergence of its distribution from a
    /// teacher's; with `gradient`, the logits become the slopes of the weighted sum of both.
    ///
    /// With probabilities p of the teacher and q of the student, r and s of all tokens but the
    /// teacher's best: the slope of the divergence is q - p for one of the best, and q · (1 - r / s)
    /// for all others.
    pub fn taught_row_loss(
        logits: &mut [f32],
        class: usize,
        weight: f32,
        teacher: TeacherRow<'_>,
        gradient: bool,
    ) -> (f32, f32) {
        let target = logits[class];
        let largest = max(logits);
        let best: Vec<f32> = teacher
            .tokens
            .iter()
            .map(|&id| std::mem::replace(&mut logits[id as usize], f32::NEG_INFINITY))
            .collect();
        let rest = exp_sum(logits, 1.0, largest);
        let sum = rest + best.iter().map(|logit| (logit - largest).exp()).sum::<f32>();
        let log_sum = largest + sum.ln();
        let probabilities = || teacher.log_probabilities.iter().map(|l| l.exp());
        let mut divergence = 0.0;
        for ((p, l), logit) in probabilities().zip(teacher.log_probabilities).zip(&best) {
            divergence += p * (l - (logit - log_sum));
        }
        if teacher.rest > 0.0 {
            let student = (rest / sum).max(LEAST_REST);
            divergence += teacher.rest * (teacher.rest / student).ln();
        }
        if gradient {
            let both = (weight + teacher.weight) / sum;
            let pulled = match teacher.rest > 0.0 {
                true => teacher.weight * teacher.rest / rest.max(LEAST_REST * sum),
                false => 0.0,
            };
            let factor = both - pulled;
            for value in logits.iter_mut() {
                *value *= factor;
            }
            for ((&id, logit), p) in teacher.tokens.iter().zip(&best).zip(probabilities()) {
                logits[id as usize] = (logit - largest).exp() * both - teacher.weight * p;
            }
            logits[class] -= weight;
        }
        (log_sum - target, divergence)
    }
}
