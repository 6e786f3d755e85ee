//! The loss in Burn's tensor operations.

use burn::Tensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, TensorData};

use super::teacher::Teacher;
use super::{CrossEntropy, supervised};

/// [`linear_distillation`](super::linear_distillation) in Burn's tensor operations.
pub fn portable(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    targets: &[u32],
    weights: &[f32],
    teacher: &Teacher,
) -> CrossEntropy {
    let device = hidden.device();
    let supervised = supervised(targets);
    let count = supervised.len();
    if count == 0 {
        return CrossEntropy {
            loss: Tensor::zeros([1], &device),
            token_losses: vec![0.0; targets.len()],
            divergences: Vec::new(),
        };
    }
    let rows = indices(supervised.iter().map(|&row| row as i64), &device);
    let classes = indices(
        supervised.iter().map(|&row| i64::from(targets[row])),
        &device,
    );
    let factors: Vec<f32> = supervised.iter().map(|&row| weights[row]).collect();

    let logits = hidden.select(0, rows).matmul(weight.transpose());
    let log_probabilities = log_softmax(logits, 1);
    let losses: Tensor<1> = log_probabilities
        .clone()
        .gather(1, classes.reshape([count, 1]))
        .neg()
        .reshape([count]);
    let mut token_losses = vec![0.0; targets.len()];
    for (&row, value) in supervised.iter().zip(host(losses.clone())) {
        token_losses[row] = value;
    }
    let mut loss = (losses * floats(factors, &device)).sum();
    let mut divergences = Vec::new();
    if !teacher.rows.is_empty() {
        let place = |row: &usize| supervised.partition_point(|other| other < row) as i64;
        let taught = indices(teacher.rows.iter().map(place), &device);
        let of_rows = divergence(log_probabilities.select(0, taught), teacher);
        divergences = host(of_rows.clone());
        loss = loss + (of_rows * floats(teacher.weights.clone(), &device)).sum();
    }
    CrossEntropy {
        loss,
        token_losses,
        divergences,
    }
}

/// The divergences [D] of the student's log-probabilities [D, V] from the teacher.
fn divergence(student: Tensor<2>, teacher: &Teacher) -> Tensor<1> {
    let (device, rows) = (student.device(), teacher.rows.len());
    let shape = [rows, teacher.count];
    let tokens = indices(teacher.tokens.iter().map(|&id| i64::from(id)), &device).reshape(shape);
    let logs = floats(teacher.log_probabilities.clone(), &device).reshape(shape);
    let best = student.clone().gather(1, tokens.clone());
    let of_best: Tensor<1> = (logs.clone().exp() * (logs - best.clone()))
        .sum_dim(1)
        .reshape([rows]);
    // What the best have goes, exactly, and the rest is summed.
    let others = student.exp().scatter(
        1,
        tokens,
        best.exp().neg(),
        burn::tensor::IndexingUpdateOp::Add,
    );
    let others: Tensor<1> = others.sum_dim(1).reshape([rows]).clamp_min(1e-30);
    let rest: Vec<f32> = (0..rows).map(|place| teacher.row(place).rest).collect();
    let entropy = rest.iter().map(|&r| if r > 0.0 { r * r.ln() } else { 0.0 });
    let entropy = floats(entropy.collect(), &device);
    of_best + entropy - floats(rest, &device) * others.log()
}

fn host(values: Tensor<1>) -> Vec<f32> {
    values.into_data().convert::<f32>().iter::<f32>().collect()
}

fn indices(values: impl Iterator<Item = i64>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

fn floats(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
