//! Adam with decoupled weight decay (Loshchilov and Hutter 2019), and the norm for clipping.

use burn::Tensor;

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
    /// Decoupled decay: the parameter shrinks by `learning_rate · weight_decay` of itself.
    pub weight_decay: f64,
    /// Count of this step, from 1; for the bias correction.
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

/// One AdamW update, as `torch.optim.AdamW` computes it.
///
/// All tensors are plain (call [`Tensor::inner`] on autodiff ones). Buffers that nobody else
/// holds are updated in place: pass the last handle.
pub fn adamw<const D: usize>(
    state: AdamWState<D>,
    gradient: Tensor<D>,
    step: &AdamWStep,
) -> AdamWState<D> {
    portable(state, gradient, step)
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

/// Σ of the squares of all elements: add over the gradients and take the root for the global norm.
pub fn sum_of_squares<const D: usize>(tensor: &Tensor<D>) -> f64 {
    tensor.clone().square().sum().into_scalar::<f32>().into()
}
