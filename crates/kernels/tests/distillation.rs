//! The divergence from a teacher: the fast form equals the portable one, and both equal the
//! definition.

mod tensors;

use burn::Tensor;
use burn::tensor::activation::log_softmax;
use kernels::{IGNORE, Teacher, cross_entropy, linear_distillation};
use tensors::{close, compare, frozen, gradients, random};

/// Every third token has no target; of the others, every second is taught by the `count` most
/// probable tokens of random logits.
fn batch(tokens: usize, vocabulary: usize, count: usize) -> (Vec<u32>, Vec<f32>, Teacher) {
    let targets: Vec<u32> = (0..tokens as u32)
        .map(|i| match i % 3 {
            1 => IGNORE,
            _ => i * 7919 % vocabulary as u32,
        })
        .collect();
    let weights = (0..tokens).map(|i| 0.1 + i as f32 / 10.0).collect();
    let mut teacher = Teacher {
        count,
        ..Teacher::default()
    };
    let supervised = (0..tokens).filter(|&row| targets[row] != IGNORE);
    for (place, row) in supervised.step_by(2).enumerate() {
        let logits = frozen::<2>([1, vocabulary], 50 + row as u32) * 4.0;
        let log: Vec<f32> = log_softmax(logits, 1).into_data().iter::<f32>().collect();
        let mut order: Vec<u32> = (0..vocabulary as u32).collect();
        order.sort_by(|a, b| log[*b as usize].total_cmp(&log[*a as usize]));
        teacher.rows.push(row);
        teacher.tokens.extend(&order[..count]);
        let best = order[..count].iter().map(|&id| log[id as usize]);
        teacher.log_probabilities.extend(best);
        teacher.weights.push(0.5 + place as f32 / 7.0);
    }
    (targets, weights, teacher)
}

#[test]
fn the_fast_form_equals_the_portable_one() {
    for (tokens, width, vocabulary, count) in [
        (1, 3, 5, 2),
        (17, 31, 67, 8),
        (23, 7, 16, 16),
        (40, 16, 9_001, 16),
    ] {
        let (targets, weights, teacher) = batch(tokens, vocabulary, count);
        let (hidden, weight) = (random([tokens, width], 1), random([vocabulary, width], 2));
        let fast =
            linear_distillation(hidden.clone(), weight.clone(), &targets, &weights, &teacher);
        let portable =
            cross_entropy::portable(hidden.clone(), weight.clone(), &targets, &weights, &teacher);
        assert_eq!(fast.divergences.len(), teacher.rows.len());
        for (fast, portable) in fast.divergences.iter().zip(&portable.divergences) {
            assert!((fast - portable).abs() < 1e-4, "{fast} {portable}");
        }
        compare!(2e-4, [hidden, weight], fast.loss, portable.loss);
    }
}

/// With all tokens among the best, the divergence is that of the whole distributions.
#[test]
fn the_divergence_of_all_tokens_is_the_kullback_leibler_divergence() {
    let (targets, weights, teacher) = batch(9, 11, 11);
    let (hidden, weight) = (random::<2>([9, 5], 3), random::<2>([11, 5], 4));
    let result = linear_distillation(hidden.clone(), weight.clone(), &targets, &weights, &teacher);
    let student: Tensor<2> = log_softmax(hidden.matmul(weight.transpose()), 1);
    let student: Vec<f32> = student.into_data().iter::<f32>().collect();
    for (place, &row) in teacher.rows.iter().enumerate() {
        let range = place * 11..(place + 1) * 11;
        let best = teacher.tokens[range.clone()].iter();
        let expected: f32 = best
            .zip(&teacher.log_probabilities[range])
            .map(|(&id, &log)| log.exp() * (log - student[row * 11 + id as usize]))
            .sum();
        let found = result.divergences[place];
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

/// A student whose distribution is the teacher's has no divergence and no slope.
#[test]
fn a_student_like_its_teacher_is_at_rest() {
    let (vocabulary, count) = (50, 6);
    let (hidden, weight) = (random::<2>([2, 8], 5), random::<2>([vocabulary, 8], 6));
    let log = log_softmax(hidden.clone().matmul(weight.clone().transpose()), 1);
    let log: Vec<f32> = log.into_data().iter::<f32>().collect();
    let mut order: Vec<u32> = (0..vocabulary as u32).collect();
    order.sort_by(|a, b| log[*b as usize].total_cmp(&log[*a as usize]));
    let teacher = Teacher {
        count,
        rows: vec![0],
        log_probabilities: order[..count].iter().map(|&id| log[id as usize]).collect(),
        tokens: order[..count].to_vec(),
        weights: vec![1.0],
    };
    let result = linear_distillation(
        hidden.clone(),
        weight.clone(),
        &[3, IGNORE],
        &[0.0, 0.0],
        &teacher,
    );
    assert!(
        result.divergences[0].abs() < 1e-5,
        "{:?}",
        result.divergences
    );
    let slopes = result.loss.backward();
    let largest = hidden
        .grad(&slopes)
        .unwrap()
        .abs()
        .max()
        .into_scalar::<f32>();
    assert!(largest < 1e-5, "{largest}");
}

#[test]
#[should_panic(expected = "row 1 of the teacher has no target")]
fn a_teacher_of_a_token_without_a_target_is_refused() {
    let teacher = Teacher {
        count: 1,
        rows: vec![1],
        tokens: vec![0],
        log_probabilities: vec![0.0],
        weights: vec![1.0],
    };
    linear_distillation(
        random([2, 3], 1),
        random([4, 3], 2),
        &[0, IGNORE],
        &[1.0; 2],
        &teacher,
    );
}
