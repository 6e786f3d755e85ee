//! Adam with decoupled weight decay (Loshchilov and Hutter 2019), and the gradient norm for
//! clipping.

use burn::Tensor;
use burn::backend::Flex;
use burn_flex::FlexTensor;

use crate::cpu::parallel::{TASK, for_each_item, for_each_simd};
use crate::cpu::vector::dot;
use crate::flex::{contiguous, is_fast, owned, values};

/// The numbers of one optimiser step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Decoupled decay: the parameter shrinks by a factor of `1 - learning_rate · weight_decay`.
    pub weight_decay: f64,
    /// Number of this step, from 1, for the bias correction.
    pub step: u32,
    /// Multiplies the gradient before use: the clipping coefficient, or 1.
    pub gradient_scale: f64,
}

impl AdamWStep {
    /// PyTorch's defaults (0.9, 0.999, 1e-8), no decay, no clipping.
    pub fn new(learning_rate: f64, step: u32) -> Self {
        Self {
            learning_rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            step,
            gradient_scale: 1.0,
        }
    }

    /// Factors of the bias-corrected update: step size and 1/√(1 - β₂ᵗ).
    pub(crate) fn corrections(&self) -> (f64, f64) {
        let step = f64::from(self.step);
        let step_size = self.learning_rate / (1.0 - self.beta1.powf(step));
        (step_size, (1.0 - self.beta2.powf(step)).sqrt().recip())
    }
}

/// A parameter with its two moments.
#[derive(Debug, Clone)]
pub struct AdamWState<const D: usize> {
    /// The parameter.
    pub parameter: Tensor<D>,
    /// Running mean of the gradient.
    pub first_moment: Tensor<D>,
    /// Running mean of the squared gradient.
    pub second_moment: Tensor<D>,
}

/// One AdamW update, as in `torch.optim.AdamW`.
///
/// All tensors are plain (call [`Tensor::inner`] on autodiff ones). Buffers with no other owner are
/// updated in place, so pass the last handle.
pub fn adamw<const D: usize>(
    state: AdamWState<D>,
    gradient: Tensor<D>,
    step: &AdamWStep,
) -> AdamWState<D> {
    let fast = is_fast(&state.parameter) && is_fast(&gradient);
    if !fast || gradient.is_autodiff() || state.parameter.is_autodiff() {
        return portable(state, gradient, step);
    }
    let AdamWState {
        parameter,
        first_moment,
        second_moment,
    } = state;
    let take = |tensor: Tensor<D>| -> FlexTensor {
        tensor
            .try_into_primitive::<Flex>()
            .expect("all tensors of an update live on the same device")
    };
    let gradient = contiguous(&take(gradient));
    let [mut parameter, mut first_moment, mut second_moment] =
        [parameter, first_moment, second_moment].map(|tensor| owned(take(tensor)));
    let moments = parts(&mut first_moment).zip(parts(&mut second_moment));
    let parameters = parts(&mut parameter).zip(values(&gradient).chunks(TASK));
    for_each_item(
        parameters.zip(moments),
        |((parameter, gradient), (first, second))| {
            update(parameter, first, second, gradient, step);
        },
    );
    AdamWState {
        parameter: Tensor::from_primitive::<Flex>(parameter),
        first_moment: Tensor::from_primitive::<Flex>(first_moment),
        second_moment: Tensor::from_primitive::<Flex>(second_moment),
    }
}

fn parts(tensor: &mut FlexTensor) -> impl Iterator<Item = &mut [f32]> {
    tensor.storage_mut::<f32>().chunks_mut(TASK)
}

for_each_simd! {
    fn update(
        parameter: &mut [f32],
        first_moment: &mut [f32],
        second_moment: &mut [f32],
        gradient: &[f32],
        step: &AdamWStep,
    ) {
        let (step_size, root_correction) = step.corrections();
        let (step_size, root_correction) = (step_size as f32, root_correction as f32);
        let decay = (1.0 - step.learning_rate * step.weight_decay) as f32;
        let (keep1, keep2) = (step.beta1 as f32, step.beta2 as f32);
        let (take1, take2) = ((1.0 - step.beta1) as f32, (1.0 - step.beta2) as f32);
        let (epsilon, scale) = (step.epsilon as f32, step.gradient_scale as f32);
        let moments = first_moment.iter_mut().zip(second_moment);
        for ((parameter, gradient), (first, second)) in
            parameter.iter_mut().zip(gradient).zip(moments)
        {
            let gradient = gradient * scale;
            *first = *first * keep1 + gradient * take1;
            *second = *second * keep2 + gradient * gradient * take2;
            let denominator = second.sqrt() * root_correction + epsilon;
            *parameter = *parameter * decay - *first / denominator * step_size;
        }
    }
}

/// [`adamw`] in Burn's tensor operations.
pub fn portable<const D: usize>(
    state: AdamWState<D>,
    gradient: Tensor<D>,
    step: &AdamWStep,
) -> AdamWState<D> {
    let gradient = gradient * step.gradient_scale;
    let first_moment = state.first_moment * step.beta1 + gradient.clone() * (1.0 - step.beta1);
    let second_moment = state.second_moment * step.beta2 + gradient.square() * (1.0 - step.beta2);
    let (step_size, root_correction) = step.corrections();
    let denominator = second_moment.clone().sqrt() * root_correction + step.epsilon;
    let decayed = state.parameter * (1.0 - step.learning_rate * step.weight_decay);
    AdamWState {
        parameter: decayed - first_moment.clone() / denominator * step_size,
        first_moment,
        second_moment,
    }
}

/// Sum of the squares of all elements, in f64. Add it up over all gradients and take the root for
/// the global norm.
pub fn sum_of_squares<const D: usize>(tensor: &Tensor<D>) -> f64 {
    let tensor = plain(tensor);
    if !is_fast(&tensor) {
        return tensor.square().sum().into_scalar::<f64>();
    }
    let tensor: FlexTensor = tensor
        .try_into_primitive::<Flex>()
        .expect("a CPU tensor without autodiff");
    let tensor = contiguous(&tensor);
    // Partial sums are added in order, so that threads do not change the result.
    let all = values(&tensor);
    let mut sums = vec![0.0; all.len().div_ceil(TASK)];
    for_each_item(sums.iter_mut().zip(all.chunks(TASK)), |(sum, part)| {
        *sum = f64::from(squares(part));
    });
    sums.iter().sum()
}

for_each_simd! {
    fn squares(values: &[f32]) -> f32 {
        dot(values, values)
    }
}

/// The tensor without autodiff.
fn plain<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() {
        tensor.clone().inner()
    } else {
        tensor.clone()
    }
}
