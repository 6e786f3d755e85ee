//! The output layer fused with its loss: the logits of all tokens are never in memory at once.

mod portable;
mod row;
mod teacher;

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, Flex, backend_extension};
use burn_flex::FlexTensor;

use crate::Factors;
use crate::cpu::gemm::{Matrix, MatrixMut, Threads, Update, gemm};
use crate::cpu::parallel::{TASK, for_each_item};
use crate::flex::{contiguous, dims, is_fast, owned, values};
use crate::pool::Values;
use row::{row_loss, taught_row_loss};

pub use portable::portable;
pub use teacher::Teacher;

/// Target of a token that is not supervised.
pub const IGNORE: u32 = u32::MAX;

/// Result of [`linear_cross_entropy`] and [`linear_distillation`].
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    /// Σ weight · cross-entropy over the supervised tokens, shape `[1]`; carries the gradient.
    pub loss: Tensor<1>,
    /// Unweighted cross-entropy of each token in nats, T values; 0 if the target is [`IGNORE`].
    pub token_losses: Vec<f32>,
    /// Unweighted divergence from the teacher in nats, a value for each of its rows.
    pub divergences: Vec<f32>,
}

/// Cross-entropy of `hidden` [T, C] · `weight`ᵀ against `targets`, weighted and summed.
///
/// `weight` [V, C] is the output layer (the token table if the two are tied), `targets` the T token
/// ids to predict (the *next* token of each position, [`IGNORE`] if there is none), and `weights`
/// one factor per token. Logits are computed for supervised tokens only.
///
/// # Panics
/// If `targets` or `weights` do not have T values, or a target is not below V.
pub fn linear_cross_entropy(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    targets: &[u32],
    weights: &[f32],
) -> CrossEntropy {
    linear_distillation(hidden, weight, targets, weights, &Teacher::default())
}

/// [`linear_cross_entropy`], to which the rows of `teacher` add the weighted Kullback-Leibler
/// divergence KL(teacher ‖ student) of the distributions over the teacher's most probable tokens
/// and all others taken together. The logits of a row serve both.
///
/// # Panics
/// Like [`linear_cross_entropy`], and if a row of the teacher has no target or the sizes of its
/// lists do not agree.
pub fn linear_distillation(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    targets: &[u32],
    weights: &[f32],
    teacher: &Teacher,
) -> CrossEntropy {
    check(&hidden, &weight, targets, weights);
    teacher.check(|row| targets[row] != IGNORE, weight.dims()[0]);
    if !(is_fast(&hidden) && is_fast(&weight)) {
        return portable(hidden, weight, targets, weights, teacher);
    }
    let supervised = supervised(targets);
    let mut taught = teacher.rows.iter().enumerate().peekable();
    let place = |row: &usize| Some(taught.next_if(|(_, taught)| *taught == row)?.0);
    let task = Task {
        places: supervised.iter().map(place).collect(),
        teacher: teacher.clone(),
        classes: supervised.iter().map(|&row| targets[row]).collect(),
        weights: supervised.iter().map(|&row| weights[row]).collect(),
        rows: supervised,
        precision: Factors::current(),
    };
    let (hidden, weight) = (hidden.into_dispatch(), weight.into_dispatch());
    let (loss, token_losses) =
        <Dispatch as CrossEntropyKernel>::cross_entropy(hidden, weight, task);
    let token_losses = Tensor::<1>::from_dispatch(token_losses).into_data();
    let mut token_losses: Vec<f32> = token_losses.iter::<f32>().collect();
    CrossEntropy {
        loss: Tensor::from_dispatch(loss),
        divergences: token_losses.split_off(targets.len()),
        token_losses,
    }
}

/// Rows with a target.
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

/// The supervised tokens: their rows, target classes and weights, and the teacher with the place of
/// each token among its rows.
#[derive(Debug, Clone)]
struct Task {
    rows: Vec<usize>,
    classes: Vec<u32>,
    weights: Vec<f32>,
    places: Vec<Option<usize>>,
    teacher: Teacher,
    precision: Factors,
}

#[backend_extension(Flex, Autodiff)]
trait CrossEntropyKernel: Backend {
    /// The weighted sum `[1]`, and the cross-entropies of all tokens and divergences of the teacher's
    /// rows `[T + D]`; the latter carry no gradient.
    fn cross_entropy(
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        task: Task,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl CrossEntropyKernel for Flex {
    fn cross_entropy(
        hidden: FlexTensor,
        weight: FlexTensor,
        task: Task,
    ) -> (FlexTensor, FlexTensor) {
        let result = compute(&hidden, &weight, &task, [false, false]);
        (result.loss, result.token_losses)
    }
}

impl<C: CheckpointStrategy> CrossEntropyKernel for Autodiff<Flex, C> {
    fn cross_entropy(
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        task: Task,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let wanted = [hidden.is_tracked(), weight.is_tracked()];
        let nodes = [hidden.node(), weight.node()];
        // Apart from the factor from above, the gradients are by-products of the losses, so they
        // are computed at the same time: logits are computed once and never kept.
        let result = compute(hidden.primitive(), weight.primitive(), &task, wanted);
        let loss = match CrossEntropyBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => {
                let [tokens, _] = dims(hidden.primitive());
                let saved = Saved {
                    hidden: result.hidden_gradient,
                    weight: result.weight_gradient,
                    rows: task.rows,
                    tokens,
                };
                preparation.finish(saved, result.loss)
            }
            OpsKind::UnTracked(preparation) => preparation.finish(result.loss),
        };
        (loss, Self::from_inner(result.token_losses))
    }
}

#[derive(Debug)]
struct CrossEntropyBackward;

/// Gradients without the factor that reaches the loss from above.
#[derive(Debug, Clone)]
struct Saved {
    /// Of the supervised rows only, [S, C].
    hidden: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    rows: Vec<usize>,
    tokens: usize,
}

impl Backward<Flex, 2> for CrossEntropyBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [hidden_node, weight_node] = ops.parents;
        let factor = values(&contiguous(&grads.consume::<Flex>(&ops.node)))[0];
        let Saved {
            hidden,
            weight,
            rows,
            tokens,
        } = ops.state;
        if let (Some(node), Some(hidden)) = (hidden_node, hidden) {
            let [_, width] = dims(&hidden);
            let gradient = scaled(hidden, factor);
            let gradient = if rows.len() == tokens {
                gradient
            } else {
                let mut all = Values::zeros(tokens * width);
                for (row, source) in rows.iter().zip(values(&gradient).chunks_exact(width)) {
                    all[row * width..][..width].copy_from_slice(source);
                }
                all.into_tensor([tokens, width])
            };
            grads.register::<Flex>(node.id, gradient);
        }
        if let (Some(node), Some(weight)) = (weight_node, weight) {
            grads.register::<Flex>(node.id, scaled(weight, factor));
        }
    }
}

/// The tensor times `factor`, in place if it is not shared.
fn scaled(tensor: FlexTensor, factor: f32) -> FlexTensor {
    if factor == 1.0 {
        return tensor;
    }
    let mut tensor = owned(tensor);
    for_each_item(tensor.storage_mut::<f32>().chunks_mut(TASK), |part| {
        part.iter_mut().for_each(|value| *value *= factor);
    });
    tensor
}

struct Computed {
    loss: FlexTensor,
    token_losses: FlexTensor,
    hidden_gradient: Option<FlexTensor>,
    weight_gradient: Option<FlexTensor>,
}

/// Approximate number of elements in the logits of a chunk of rows.
const CHUNK: usize = 50 << 20;

fn compute(hidden: &FlexTensor, weight: &FlexTensor, task: &Task, wanted: [bool; 2]) -> Computed {
    let (hidden, weight) = (contiguous(hidden), contiguous(weight));
    let ([tokens, width], [vocabulary, _]) = (dims(&hidden), dims(&weight));
    let count = task.rows.len();
    let output_layer = Matrix::dense(values(&weight), vocabulary, width);
    let mut dense = Values::take(count * width);
    for (row, target) in task.rows.iter().zip(dense.chunks_exact_mut(width)) {
        target.copy_from_slice(&values(&hidden)[row * width..][..width]);
    }

    let [want_hidden, want_weight] = wanted;
    let gradients = want_hidden || want_weight;
    let mut hidden_gradient = want_hidden.then(|| Values::take(count * width));
    let mut weight_gradient = want_weight.then(|| Values::take(vocabulary * width));
    let mut losses = vec![(0.0, 0.0); count];
    // A multiple of the product kernel's 14 rows, so that no panel is half empty.
    let rows = (CHUNK / vocabulary)
        .max(14)
        .next_multiple_of(14)
        .min(count.max(1));
    let mut logits = Values::take(rows * vocabulary);
    for start in (0..count).step_by(rows) {
        let chunk = start..count.min(start + rows);
        let rows = chunk.len();
        let inputs = Matrix::dense(&dense[start * width..], rows, width);
        let logits = &mut logits[..rows * vocabulary];
        gemm(
            inputs,
            output_layer.transposed(),
            MatrixMut::dense(logits, rows, vocabulary),
            Update::Overwrite,
            task.precision,
            Threads::All,
        );
        let results = logits
            .chunks_mut(vocabulary)
            .zip(&mut losses[chunk.clone()]);
        let targets = (task.classes[chunk.clone()].iter()).zip(&task.weights[chunk.clone()]);
        let targets = targets.zip(&task.places[chunk.clone()]);
        for_each_item(
            results.zip(targets),
            |((logits, loss), ((&class, &weight), place))| {
                let class = class as usize;
                *loss = match *place {
                    None => (row_loss(logits, class, weight, gradients), 0.0),
                    Some(place) => {
                        let teacher = task.teacher.row(place);
                        taught_row_loss(logits, class, weight, teacher, gradients)
                    }
                };
            },
        );
        let slopes = Matrix::dense(logits, rows, vocabulary);
        if let Some(gradient) = &mut hidden_gradient {
            let gradient = &mut gradient[start * width..];
            gemm(
                slopes,
                output_layer,
                MatrixMut::dense(gradient, rows, width),
                Update::Overwrite,
                task.precision,
                Threads::All,
            );
        }
        if let Some(gradient) = &mut weight_gradient {
            let first = start == 0;
            gemm(
                slopes.transposed(),
                inputs,
                MatrixMut::dense(gradient, vocabulary, width),
                if first {
                    Update::Overwrite
                } else {
                    Update::Add
                },
                task.precision,
                Threads::All,
            );
        }
    }
    if let (Some(gradient), 0) = (&mut weight_gradient, count) {
        gradient.fill(0.0);
    }

    let mut token_losses = Values::take(tokens + task.teacher.rows.len());
    token_losses.fill(0.0);
    let mut sum = 0.0;
    for (index, &(loss, divergence)) in losses.iter().enumerate() {
        token_losses[task.rows[index]] = loss;
        sum += f64::from(loss) * f64::from(task.weights[index]);
        if let Some(place) = task.places[index] {
            token_losses[tokens + place] = divergence;
            sum += f64::from(divergence) * f64::from(task.teacher.weights[place]);
        }
    }
    let mut loss = Values::take(1);
    loss[0] = sum as f32;
    Computed {
        loss: loss.into_tensor([1]),
        token_losses: token_losses.into_tensor([tokens + task.teacher.rows.len()]),
        hidden_gradient: hidden_gradient.map(|gradient| gradient.into_tensor([count, width])),
        weight_gradient: weight_gradient.map(|gradient| gradient.into_tensor([vocabulary, width])),
    }
}
