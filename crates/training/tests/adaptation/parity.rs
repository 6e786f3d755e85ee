//! Losses, gradients, steps and the fitted projection of PyTorch.

use std::collections::BTreeSet;

use burn::module::Module;
use fixtures::assert_close;
use models::BackboneNetwork;
use training::general_adaptation::{
    AdaptConfig, AdaptationLoss, GeneralAdaptation, LeastSquares, Prepared, ProjectionStart,
};
use training::optimizer::{AdamW, trainable};
use training::run::{Place, Recipe, Schedule, StepGradients, StepPlan, gradients, train_step};

use crate::fixture::{STACKS, Stack, expected, expected_gradients, reference_name, tensors};

/// The recipe and the network of the reference.
fn prepared(stack: Stack, config: &AdaptConfig) -> (GeneralAdaptation, BackboneNetwork) {
    let folder = tempfile::tempdir().unwrap();
    let Prepared {
        recipe, network, ..
    } = stack.prepare(config, folder.path()).unwrap();
    (recipe, stack.with_reference(network))
}

fn gradients_of(
    recipe: &GeneralAdaptation,
    network: &BackboneNetwork,
    plan: &StepPlan,
) -> StepGradients {
    let loss = |network: &BackboneNetwork, batch: &[usize], place: &Place<'_>| {
        recipe.loss(network, batch, place)
    };
    gradients(network, plan, 0, 0, loss).unwrap()
}

/// Loss and gradients of all sentences, as one pass and as several.
fn check(stack: Stack, config: &AdaptConfig, prefix: &str) {
    let (recipe, network) = prepared(stack, config);
    let value = &expected()["stacks"][stack.name][prefix]["loss"];
    let reference = expected_gradients(stack, prefix);
    let plans: [StepPlan; 2] = [
        vec![(0..12).collect()],
        vec![
            vec![3, 1, 7, 8],
            vec![0],
            (2..3).chain(4..7).chain(9..12).collect(),
        ],
    ];
    for (plan, recompute) in plans.iter().zip([false, true]) {
        let network = network.clone().recomputing(recompute);
        let step = gradients_of(&recipe, &network, plan);
        let found = [step.loss as f32];
        assert_close(&found, &[value.as_f64().unwrap() as f32], 1e-5, stack.name);
        let mut compared = BTreeSet::new();
        for name in trainable(&network).into_keys() {
            let gradient = step
                .gradients
                .get(&name)
                .unwrap_or_else(|| panic!("{name} has none"));
            let gradient: Vec<f32> = gradient.to_data().iter().collect();
            let reference_name = reference_name(&name);
            let what = format!("{}: {prefix} gradient of {name}", stack.name);
            assert_close(&gradient, &reference[&reference_name], 1e-4, &what);
            compared.insert(reference_name);
        }
        assert_eq!(compared, reference.keys().cloned().collect());
    }
}

#[test]
fn the_loss_of_pooled_states_and_its_gradients_are_those_of_the_reference() {
    for stack in STACKS {
        check(stack, &stack.config(), "stage_1");
    }
}

#[test]
fn the_loss_of_aligned_tokens_and_its_gradients_are_those_of_the_reference() {
    for stack in STACKS.into_iter().filter(|stack| !stack.mixes) {
        let config = AdaptConfig {
            loss: AdaptationLoss::Aligned,
            ..stack.config()
        };
        check(stack, &config, "aligned");
    }
}

#[test]
fn words_are_aligned_as_in_the_reference() {
    for stack in STACKS.into_iter().filter(|stack| !stack.mixes) {
        let config = AdaptConfig {
            loss: AdaptationLoss::Aligned,
            ..stack.config()
        };
        let (recipe, _) = prepared(stack, &config);
        let reference = &expected()["stacks"][stack.name]["alignment"];
        let reference: Vec<Vec<[u32; 2]>> = serde_json::from_value(reference.clone()).unwrap();
        for (document, expected) in reference.iter().enumerate() {
            let found = recipe.documents.read(document).unwrap().aligned;
            assert_eq!(found, *expected, "{} {document}", stack.name);
        }
    }
}

#[test]
fn ten_steps_are_those_of_the_reference_and_change_nothing_else() {
    let steps = &expected()["steps"];
    let number = |key: &str| steps[key].as_f64().unwrap();
    let (count, items) = (number("steps") as usize, number("items") as usize);
    for stack in STACKS {
        let mut config = stack.config();
        config.training.learning_rate = number("learning_rate");
        config.training.weight_decay = number("weight_decay");
        let settings = config.settings();
        let schedule = Schedule::new(number("learning_rate"), 0.0, number("warmup"), count);
        let schedule = schedule.decaying(settings.decay);
        let (recipe, mut network) = prepared(stack, &config);
        let before = frozen(&network);
        let reference = expected()["stacks"][stack.name]["ten_steps"].clone();
        let reference: Vec<f32> = serde_json::from_value(reference).unwrap();
        let mut optimizer = AdamW::default();
        for (step, expected) in reference.iter().enumerate() {
            let batch = (step * items..(step + 1) * items).map(|item| item % 12);
            let plan: StepPlan = vec![batch.collect()];
            let loss = |network: &BackboneNetwork, batch: &[usize], place: &Place<'_>| {
                recipe.loss(network, batch, place)
            };
            let rate = schedule.rate(step);
            let (stepped, result) =
                train_step(network, &mut optimizer, &plan, step, rate, &settings, loss).unwrap();
            network = stepped;
            let what = format!("{} step {step}", stack.name);
            assert_close(&[result.loss as f32], &[*expected], 1e-3, &what);
        }
        assert!(
            before == frozen(&network),
            "{}: a frozen parameter changed",
            stack.name
        );
        let trained = trainable(&network).into_keys();
        let wanted = |name: &String| {
            name.contains(".lora.") || name.starts_with("up_projection.") || name == "layer_mix"
        };
        assert!(trained.filter(wanted).count() == trainable(&network).len());
    }
}

/// The values of all parameters that are not trained, by name.
fn frozen(network: &BackboneNetwork) -> Vec<(String, Vec<f32>)> {
    use burn::Tensor;
    use burn::module::{ModuleVisitor, Param};
    use models::ParameterPath;

    #[derive(Default)]
    struct Collect {
        path: ParameterPath,
        found: Vec<(String, Vec<f32>)>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            if !parameter.is_require_grad() {
                let values = parameter.val().inner().into_data().iter().collect();
                self.found.push((self.path.name(), values));
            }
        }
    }
    let mut collect = Collect::default();
    network.visit(&mut collect);
    assert!(collect.found.len() > 10, "the LLM is frozen");
    collect.found
}

#[test]
fn the_least_squares_are_those_of_the_reference() {
    for stack in STACKS.into_iter().filter(|stack| !stack.mixes) {
        let stored = tensors(&format!("{}.safetensors", stack.name));
        let of = |name: &str| -> (Vec<usize>, Vec<f32>) {
            let (shape, tensor) = &stored[name];
            (shape.clone(), tensor.to_data().iter().collect())
        };
        let ((shape, x), (_, y)) = (of("least_squares.x"), of("least_squares.y"));
        let (weight_shape, weight) = of("least_squares");
        let mut sums = LeastSquares::new(shape[1], weight_shape[0]);
        sums.add(&x, &y);
        let fit = sums.solve();
        assert_close(&fit.weight, &weight, 1e-4, stack.name);
        let found = &expected()["stacks"][stack.name]["least_squares"];
        assert_eq!(fit.count as u64, found["words"].as_u64().unwrap());
        let fvu = found["fvu"].as_f64().unwrap();
        assert!((fit.fvu - fvu).abs() < 1e-4, "{} {fvu}", fit.fvu);
    }
}

#[test]
fn a_projection_starts_at_the_least_squares_of_the_text_s_words() {
    for stack in STACKS.into_iter().filter(|stack| !stack.mixes) {
        let folder = tempfile::tempdir().unwrap();
        let config = AdaptConfig {
            projection: ProjectionStart::LeastSquares,
            ..stack.config()
        };
        let Prepared {
            network, warnings, ..
        } = stack.prepare(&config, folder.path()).unwrap();
        let stored = tensors(&format!("{}.safetensors", stack.name));
        let values = |tensor: &burn::Tensor<1>| tensor.to_data().iter().collect::<Vec<f32>>();
        let trained = trainable(&network);
        // The states differ in their last bits, which the condition of the problem multiplies, so
        // that what the projection makes of the states is compared.
        let (_, weight) = &trained["up_projection.weight"];
        let (shape, reference) = &stored["least_squares"];
        let (_, x) = &stored["least_squares.x"];
        let projected = |weight: &burn::Tensor<1>| {
            let x = x.clone().reshape([x.dims()[0] / shape[1], shape[1]]);
            let weight = weight.clone().reshape([shape[0], shape[1]]);
            x.matmul(weight.transpose()).flatten::<1>(0, 1)
        };
        let [found, expected] = [weight, reference].map(|w| values(&projected(w)));
        assert_close(&found, &expected, 1e-3, stack.name);
        assert!(
            values(&trained["up_projection.bias"].1)
                .iter()
                .all(|&bias| bias == 0.0)
        );
        assert!(
            warnings[0].starts_with("least-squares projection: "),
            "{warnings:?}"
        );
    }
}
