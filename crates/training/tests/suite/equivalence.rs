//! The loss and its gradient do not depend on how an optimiser step is split into forward passes.

use models::Network;
use training::fine_tune::{Batch, Encoded, Reduction, SupervisedSet, TrainConfig, prepare};
use training::optimizer::trainable;
use training::run::StepGradients;

use crate::tiny;

const TOLERANCE: f64 = 1e-5;

fn gradients_of(
    network: &Network,
    examples: &[Encoded],
    plan: &[&[usize]],
    config: &TrainConfig,
) -> StepGradients {
    let set = SupervisedSet::new(examples.to_vec(), config);
    let plan = plan.iter().map(|batch| batch.to_vec()).collect();
    tiny::gradients(network, &set, &plan)
}

/// The largest difference between two gradients, relative to the norm of the first.
fn difference(network: &Network, a: &StepGradients, b: &StepGradients) -> f64 {
    let norm = a.gradients.norm();
    trainable(network)
        .keys()
        .map(|name| {
            let [a, b] = [a, b].map(|g| g.gradients.get(name).unwrap().clone());
            f64::from((a - b).abs().max().into_scalar::<f32>()) / norm
        })
        .fold(0.0, f64::max)
}

#[test]
fn one_batch_accumulated_batches_and_single_examples_are_the_same_step() {
    let model = tiny::model();
    let examples = tiny::encoded(&model);
    for reduction in [Reduction::Example, Reduction::Token] {
        let config = TrainConfig {
            reduction,
            ..tiny::config()
        };
        let network = prepare(model.network.clone(), &config).unwrap();
        let one = gradients_of(&network, &examples, &[&[0, 1, 2, 3, 4, 5, 6, 7]], &config);
        let single: Vec<[usize; 1]> = (0..8).map(|example| [example]).collect();
        let single: Vec<&[usize]> = single.iter().map(|batch| batch.as_slice()).collect();
        let others: [&[&[usize]]; 3] = [
            &single,
            &[&[7, 2, 0], &[5], &[3, 1, 6, 4]],
            &[&[0, 1, 2, 3], &[4, 5, 6, 7]],
        ];
        for plan in others {
            let other = gradients_of(&network, &examples, plan, &config);
            assert!(
                (one.loss - other.loss).abs() < TOLERANCE,
                "{} {}",
                one.loss,
                other.loss
            );
            let difference = difference(&network, &one, &other);
            assert!(
                difference < TOLERANCE,
                "{reduction:?} {plan:?}: {difference}"
            );
            for (part, loss) in one.parts.means() {
                assert!((other.parts.means()[&part] - loss).abs() < TOLERANCE);
            }
        }
    }
}

/// The tiny model's chat template, a common beginning, and two questions asked twice.
#[test]
fn shared_prompts_change_neither_the_loss_nor_its_gradient() {
    let model = tiny::model();
    let mut examples = tiny::encoded(&model);
    // A long beginning that all share, and pairs that share more.
    for (index, example) in examples.iter_mut().enumerate() {
        let beginning = (0..12).map(|at| 5 + at % 7);
        let question = (0..10).map(|at| 5 + (at + index as u32 / 2) % 11);
        let prompt: Vec<u32> = beginning.chain(question).collect();
        example.ids.splice(0..0, prompt.iter().copied());
        example.answer_start += prompt.len();
    }
    let all: Vec<usize> = (0..examples.len()).collect();
    let run = |share_prompts| {
        let config = TrainConfig {
            share_prompts,
            ..tiny::config()
        };
        let network = prepare(model.network.clone(), &config).unwrap();
        let members: Vec<&Encoded> = examples.iter().collect();
        let tokens = Batch::new(&members, share_prompts, |_| 1.0).ids.len();
        let step = gradients_of(&network, &examples, &[&all], &config);
        (network, step, tokens)
    };
    let (network, apart, whole) = run(false);
    let (_, shared, fewer) = run(true);
    assert!(fewer + 12 * 9 <= whole, "{fewer} of {whole} tokens");
    assert!((apart.loss - shared.loss).abs() < TOLERANCE);
    assert!(difference(&network, &apart, &shared) < TOLERANCE);
    assert_eq!(apart.tokens, shared.tokens, "the examples' tokens");
    for (part, loss) in apart.parts.means() {
        assert!((shared.parts.means()[&part] - loss).abs() < TOLERANCE);
    }
}

/// functionary's test of packing: loss(a) + loss(b) = loss(a and b in one pass).
#[test]
fn two_packed_examples_have_the_sum_of_their_separate_losses() {
    let model = tiny::model();
    let mut examples = tiny::encoded(&model);
    examples.truncate(2);
    let config = tiny::config();
    let network = prepare(model.network, &config).unwrap();
    let loss = |plan: &[&[usize]]| gradients_of(&network, &examples, plan, &config).loss;
    let (a, b) = (loss(&[&[0]]), loss(&[&[1]]));
    // A step's loss is the mean over its examples.
    let packed = 2.0 * loss(&[&[0, 1]]);
    assert!(
        (a + b - packed).abs() < TOLERANCE,
        "{a} + {b} is not {packed}"
    );
    assert!(
        (a - b).abs() > 0.01,
        "the examples must differ for this to mean anything"
    );
}

#[test]
fn the_step_loss_is_the_objective_over_its_examples() {
    let model = tiny::model();
    let examples = tiny::encoded(&model);
    let config = tiny::config();
    let network = prepare(model.network, &config).unwrap();
    let all: Vec<usize> = (0..examples.len()).collect();
    let step = gradients_of(&network, &examples, &[&all], &config);
    // Section 3.2.5, divided by |U|: the mean over subsets of the mean loss of each.
    let means = step.parts.means();
    let objective = means.values().sum::<f64>() / means.len() as f64;
    assert!(
        (step.loss - objective).abs() < TOLERANCE,
        "{} {objective}",
        step.loss
    );
}
