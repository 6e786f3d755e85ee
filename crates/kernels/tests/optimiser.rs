//! AdamW against its portable form and against a value computed by hand.

mod levels;

use burn::Tensor;
use burn::tensor::{Device, Tolerance};
use kernels::{AdamWState, AdamWStep, adamw};

fn tensor(values: &[f32]) -> Tensor<1> {
    Tensor::from_floats(values, &Device::flex())
}

fn state(values: &[f32]) -> AdamWState<1> {
    AdamWState {
        parameter: tensor(values),
        first_moment: tensor(&vec![0.0; values.len()]),
        second_moment: tensor(&vec![0.0; values.len()]),
    }
}

/// In its first step Adam moves every parameter by the learning rate, against the gradient's sign.
#[test]
fn the_first_step_has_the_learning_rate_as_length() {
    let mut step = AdamWStep::new(0.1, 1);
    step.weight_decay = 0.5;
    let after = kernels::adamw(state(&[1.0, -2.0]), tensor(&[3.0, -0.5]), &step);
    let after: Vec<f32> = after.parameter.into_data().try_to_vec().unwrap();
    assert!((after[0] - (0.95 - 0.1)).abs() < 1e-6, "{after:?}");
    assert!((after[1] - (-1.9 + 0.1)).abs() < 1e-6, "{after:?}");
}

#[test]
fn the_fast_form_equals_the_portable_form_over_steps() {
    let start: Vec<f32> = (0..20_011).map(|i| (i as f32 * 0.37).sin()).collect();
    let (mut fast, mut portable) = (state(&start), state(&start));
    for count in 1..=5 {
        let gradient: Vec<f32> = (0..start.len())
            .map(|i| ((i * count) as f32 * 0.11).cos())
            .collect();
        let mut step = AdamWStep::new(1e-2, count as u32);
        step.weight_decay = 0.1;
        step.gradient_scale = 0.7;
        fast = kernels::adamw(fast, tensor(&gradient), &step);
        portable = adamw::portable(portable, tensor(&gradient), &step);
    }
    let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
    let pairs = [
        (fast.parameter, portable.parameter),
        (fast.first_moment, portable.first_moment),
        (fast.second_moment, portable.second_moment),
    ];
    for (fast, portable) in pairs {
        fast.into_data()
            .assert_approx_eq(&portable.into_data(), tolerance);
    }
}

#[test]
fn shared_parameters_are_not_changed_behind_their_owner() {
    let owner = tensor(&[1.0, 2.0]);
    let mut shared = state(&[0.0, 0.0]);
    shared.parameter = owner.clone();
    kernels::adamw(shared, tensor(&[1.0, 1.0]), &AdamWStep::new(0.1, 1));
    assert_eq!(owner.into_data().try_to_vec::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn the_norm_counts_every_element() {
    let values = vec![2.0; 50_001];
    assert_eq!(kernels::sum_of_squares(&tensor(&values)), 200_004.0);
    let tracked = Tensor::<1>::from_floats([3.0, 4.0], &Device::flex().autodiff());
    assert_eq!(kernels::sum_of_squares(&tracked), 25.0);
}

#[test]
fn lower_simd_levels_agree_too() {
    levels::run_at_lower_levels("lower_simd_levels_agree_too");
}
