//! LLM2Vec's recipes from text to the merged model: killed and resumed, and in other batch shapes.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use artefacts::training::{Metric, TrainSummary};
use burn::tensor::{Device, Tolerance};
use corpus::file_path::FilePath;
use corpus::progress::{Progress, Silent};
use corpus::source::plain_text::{TextOptions, TextSource};
use kernels::Precision;
use models::{LanguageModel, NamedLinears, Network};
use training::RecipeError;
use training::fine_tune::{Method, TrainConfig, prepare};
use training::llm_adapters::MERGED;
use training::llm_tokens::llm_tokens;
use training::loop_config::{LoopConfig, LoopDefaults};
use training::mntp::{Mntp, MntpConfig, mntp};
use training::run::{Recipe, StepGradients, StepPlan, gradients, pack};
use training::simcse::{Simcse, SimcseConfig, simcse};
use training::token_file::TokenFile;

use crate::resume::{Kill, curve};
use crate::tiny;

/// Twenty sentences of the tiny model's words.
fn text(folder: &Path) -> Vec<TextSource> {
    let words = [
        "what", "is", "the", "capital", "of", "a", "name", "city", "book", "hello", "cat",
    ];
    let sentence = |number: usize| -> String {
        let length = 4 + number % 5;
        let word = |at: usize| words[(number * 7 + at * (1 + number % 3)) % words.len()];
        (0..length).map(word).collect::<Vec<_>>().join(" ")
    };
    let lines: Vec<String> = (0..20).map(sentence).collect();
    let path = folder.join("text.txt");
    fs::write(&path, lines.join("\n")).unwrap();
    vec![TextSource::Files(FilePath::from(path))]
}

fn tokens(folder: &Path, model: &LanguageModel) -> TokenFile<1> {
    let (text, options) = (text(folder), TextOptions::default());
    llm_tokens(model, &text, &options, 64, &folder.join("tokens"), &Silent).unwrap()
}

/// Eight steps over two epochs, a checkpoint after every second.
fn eight_steps<D: LoopDefaults>() -> LoopConfig<D> {
    LoopConfig {
        epochs: 2,
        max_steps: 0,
        items_per_step: 4,
        tokens_per_batch: 24,
        learning_rate: 1e-2,
        lora_rank: 2,
        lora_dropout: 0.1,
        evaluate_every: 4,
        checkpoint_every: 2,
        ..LoopConfig::default()
    }
}

fn mntp_config() -> MntpConfig {
    MntpConfig {
        mask_probability: 0.4,
        mask_token: ".".into(),
        held_out: 4,
        training: eight_steps(),
        ..MntpConfig::default()
    }
}

fn simcse_config() -> SimcseConfig {
    SimcseConfig {
        held_out: 4,
        temperature: 0.2,
        training: eight_steps(),
        ..SimcseConfig::default()
    }
}

type Run = fn(&Path, &Path, &dyn Progress) -> Result<TrainSummary, RecipeError>;

fn run_mntp(
    text: &Path,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<TrainSummary, RecipeError> {
    let model = tiny::model();
    let tokens = tokens(text, &model);
    mntp(model, &tokens, &mntp_config(), folder, progress)
}

fn run_simcse(
    text: &Path,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<TrainSummary, RecipeError> {
    let model = tiny::model();
    let tokens = tokens(text, &model);
    simcse(model, &tokens, &simcse_config(), folder, progress)
}

/// The weights of the merged model, byte by byte.
fn merged(folder: &Path) -> Vec<u8> {
    fs::read(folder.join(MERGED).join("model.safetensors")).unwrap()
}

#[test]
fn a_killed_recipe_ends_as_an_undisturbed_one() {
    for run in [run_mntp as Run, run_simcse] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let [undisturbed, killed] = ["undisturbed", "killed"].map(|name| folder.join(name));
        let summary = run(folder, &undisturbed.join("train"), &Silent).unwrap();
        assert_eq!((summary.steps, summary.training_examples), (8, 16));
        for after in [1, 3, 2] {
            let progress = Kill::after(after);
            let killed = killed.join("train");
            let died = catch_unwind(AssertUnwindSafe(|| run(folder, &killed, &progress)));
            assert!(died.is_err());
        }
        let resumed = run(folder, &killed.join("train"), &Silent).unwrap();
        assert_eq!(curve(&undisturbed), curve(&killed));
        assert_eq!(resumed.after, summary.after);
        assert_eq!(
            merged(&undisturbed.join("train")),
            merged(&killed.join("train"))
        );
        let again = run(folder, &killed.join("train"), &Kill::after(0)).unwrap();
        assert_eq!(again, resumed, "a finished run does nothing");
    }
}

#[test]
fn the_held_out_loss_falls_and_the_merged_model_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let train = folder.path().join("train");
    let summary = run_mntp(folder.path(), &train, &Silent).unwrap();
    let (before, after) = (summary.before.unwrap(), summary.after.unwrap());
    assert!(after.loss < before.loss, "{before:?} {after:?}");
    assert!(after.losses["accuracy"] <= 1.0);
    let merged = LanguageModel::load(train.join(MERGED), &Device::flex()).unwrap();
    let tokens = tokens(folder.path(), &tiny::model());
    let recipe = Mntp::new(&merged.tokenizer, &tokens, &mntp_config()).unwrap();
    let again = recipe.held_out(&merged.network).unwrap().unwrap();
    assert!(
        (again.loss - after.loss).abs() < 1e-5,
        "{again:?} {after:?}"
    );

    let metrics = Metric::read_all(&train).unwrap();
    assert_eq!(metrics.len(), 8 + 3);
}

/// The tiny network with adapters that are not zero, and no dropout.
fn adapted() -> Network {
    let config = TrainConfig {
        method: Method::Lora,
        lora_rank: 2,
        lora_dropout: 0.0,
        ..tiny::config()
    };
    let network = prepare(tiny::model().network, &config).unwrap();
    network.map_linears(|_, mut layer| {
        if let Some(lora) = &mut layer.lora {
            let b = lora.lora_b.val();
            let rising = burn::Tensor::arange(0..(b.dims()[0] * 2) as i64, &b.device());
            let rising = rising.float().reshape(b.dims()).sin() * 0.1;
            lora.lora_b = burn::module::Param::from_tensor(rising.detach());
        }
        layer
    })
}

fn step<R: Recipe<Network = Network, Error = RecipeError>>(
    recipe: &R,
    network: &Network,
    plan: &StepPlan,
) -> StepGradients {
    gradients(network, plan, 3, 0, |network, batch, place| {
        recipe.loss(network, batch, place)
    })
    .unwrap()
}

fn assert_equal_in_any_split<R: Recipe<Network = Network, Error = RecipeError>>(recipe: &R) {
    let network = adapted();
    let items: Vec<usize> = (2..8).collect();
    let whole = step(recipe, &network, &vec![items.clone()]);
    let packed = pack(&items, 18, |item, beside| recipe.cost(item, beside));
    assert!(packed.len() > 1);
    for plan in [packed, items.iter().map(|&item| vec![item]).collect()] {
        let parts = step(recipe, &network, &plan);
        assert!(
            (parts.loss - whole.loss).abs() < 1e-5,
            "{} {}",
            parts.loss,
            whole.loss
        );
        for name in training::optimizer::trainable(&network).into_keys() {
            let [one, other] = [&whole, &parts].map(|step| step.gradients.get(&name).unwrap());
            let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
            one.to_data().assert_approx_eq(&other.to_data(), tolerance);
        }
    }
}

#[test]
fn passes_do_not_change_the_loss_nor_the_negatives() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny::model();
    let tokens = tokens(folder.path(), &model);
    assert_equal_in_any_split(&Mntp::new(&model.tokenizer, &tokens, &mntp_config()).unwrap());
    assert_equal_in_any_split(&Simcse::new(&tokens, &simcse_config()));
}

#[test]
fn frozen_weights_of_any_format_learn() {
    for precision in [Precision::Bf16, Precision::Int8] {
        let folder = tempfile::tempdir().unwrap();
        let config = MntpConfig {
            training: LoopConfig {
                precision,
                recompute: true,
                ..eight_steps()
            },
            ..mntp_config()
        };
        let device = Device::flex().autodiff();
        let path = tiny::reference().join("tiny");
        let model = LanguageModel::load_as(path, &device, config.training.weight_form()).unwrap();
        let tokens = tokens(folder.path(), &model);
        let summary = mntp(model, &tokens, &config, &folder.path().join("run"), &Silent).unwrap();
        assert!(
            summary.after.unwrap().loss < summary.before.unwrap().loss,
            "{precision:?}"
        );
    }
}

#[test]
fn a_wrong_key_is_named_with_its_section() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens(folder.path(), &tiny::model());
    let run = |config: &MntpConfig| {
        let error = mntp(
            tiny::model(),
            &tokens,
            config,
            &folder.path().join("run"),
            &Silent,
        );
        error.unwrap_err().to_string()
    };
    let mask_token = "<mask>".to_owned();
    let error = run(&MntpConfig {
        mask_token,
        ..mntp_config()
    });
    assert!(
        error.contains("llm2vec.mntp.mask_token = \"<mask>\""),
        "{error}"
    );
    let mut config = mntp_config();
    config.training.warmup = 2.0;
    assert!(run(&config).contains("llm2vec.mntp.training.warmup = 2"));
    config = mntp_config();
    config.training.lora_targets = vec!["nothing".into()];
    assert!(run(&config).contains("llm2vec.mntp.training.lora_targets"));
    let config = SimcseConfig {
        training: LoopConfig {
            lora_dropout: 0.0,
            ..eight_steps()
        },
        ..simcse_config()
    };
    let error = config.validate("llm2vec.simcse").unwrap_err().to_string();
    assert!(
        error.contains("the two views of a sentence are equal"),
        "{error}"
    );
}
