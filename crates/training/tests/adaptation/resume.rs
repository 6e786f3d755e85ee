//! A killed adaptation goes on as if nothing had happened, and refuses what is not its own.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use artefacts::training::{Metric, TrainSummary};
use burn::tensor::Device;
use corpus::progress::{Progress, Silent};
use corpus::source::plain_text::TextOptions;
use models::{Backbone, Precision, TextInput, WeightForm};
use training::general_adaptation::{
    AdaptConfig, AdaptError, AdaptationLoss, AdaptationText, MODEL, ProjectionStart,
    RetrievalFiles, general_adaptation,
};
use training::run::Recipe;

use crate::fixture::{STACKS, Stack, text};

/// Ends the work after so many units of progress, as a kill would.
struct Kill {
    after: u64,
    done: AtomicU64,
}

impl Progress for Kill {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, units: u64) {
        let done = self.done.fetch_add(units, Ordering::Relaxed) + units;
        assert!(done < self.after, "killed after {done}");
    }
    fn already_done(&self, _: u64) {}
    fn status(&self, _: &str) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
}

const STACK: Stack = STACKS[1];

fn config() -> AdaptConfig {
    let mut config = AdaptConfig {
        held_out: 3,
        projection_learning_rate: 1e-2,
        ..STACK.config()
    };
    config.training.learning_rate = 5e-3;
    config.training.lora_dropout = 0.1;
    config.training.items_per_step = 3;
    config.training.epochs = 4;
    config.training.checkpoint_every = 2;
    config.training.tokens_per_batch = 64;
    config
}

fn retrieval(folder: &Path) -> RetrievalFiles {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let source = write(
        "eng.txt",
        "The sea closes.\nA kind word.\nMany people walked home.\n",
    );
    let translation = "O mar fecha.\nUma boa palavra.\nMuitos foram para casa.\n";
    RetrievalFiles {
        source,
        translations: [("por_Latn".to_owned(), write("por.txt", translation))].into(),
    }
}

fn adapt(
    run: &Path,
    config: &AdaptConfig,
    progress: &dyn Progress,
) -> Result<TrainSummary, AdaptError> {
    let folder = run.parent().unwrap();
    let retrieval = retrieval(folder);
    let text = AdaptationText {
        sources: &text(folder),
        options: &TextOptions::default(),
        language: "eng_Latn",
        retrieval: Some(&retrieval),
    };
    let settings = STACK.settings();
    general_adaptation(
        STACK.encoder(),
        STACK.llm(),
        settings,
        text,
        config,
        run,
        progress,
    )
}

/// Files with their bytes, and measurements with the number of their step.
type Outcome = (Vec<(String, Vec<u8>)>, Vec<(usize, Vec<u64>)>);

/// All files of the model, and what was measured, without times.
fn result(run: &Path) -> Outcome {
    let mut files = Vec::new();
    for folder in [
        MODEL.to_owned(),
        format!("{MODEL}/adapter"),
        "states-llm".to_owned(),
    ] {
        for entry in fs::read_dir(run.join(&folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_file() && name != "manifest.json" {
                files.push((format!("{folder}/{name}"), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    let metrics = Metric::read_all(run).unwrap();
    let measured = metrics.iter().map(|metric| {
        let (Metric::Train { loss, losses, .. } | Metric::Evaluation { loss, losses, .. }) = metric;
        let bits = losses.values().chain([loss]).map(|value| value.to_bits());
        (metric.step(), bits.collect())
    });
    (files, measured.collect())
}

fn a_killed_run_ends_as_an_undisturbed_one(config: &AdaptConfig) {
    let folder = tempfile::tempdir().unwrap();
    let [undisturbed, killed] = ["undisturbed", "killed"].map(|name| folder.path().join(name));
    let summary = adapt(&undisturbed, config, &Silent).unwrap();
    assert_eq!((summary.steps, summary.held_out_examples), (12, 3));
    // Within tokens, the states of held-out, of all documents, the encoder's, and steps.
    for after in [1, 13, 16, 25, 34, 36, 38] {
        let kill = Kill {
            after,
            done: AtomicU64::new(0),
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| adapt(&killed, config, &kill)));
        assert!(outcome.is_err() || outcome.is_ok_and(|done| done.is_ok()));
    }
    let resumed = adapt(&killed, config, &Silent).unwrap();
    assert_eq!(resumed.after, summary.after);
    assert_eq!(result(&killed), result(&undisturbed));
    // Nothing is left to do.
    let again = Kill {
        after: 0,
        done: AtomicU64::new(0),
    };
    assert_eq!(adapt(&killed, config, &again).unwrap(), resumed);
}

#[test]
fn pooled_states_resume_exactly() {
    a_killed_run_ends_as_an_undisturbed_one(&config());
}

#[test]
fn aligned_tokens_and_a_mix_of_layers_resume_exactly() {
    a_killed_run_ends_as_an_undisturbed_one(&AdaptConfig {
        loss: AdaptationLoss::Aligned,
        projection: ProjectionStart::LeastSquares,
        layer_mix: true,
        ..config()
    });
}

#[test]
fn the_stack_learns_and_is_saved_as_it_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut config = config();
    config.training.epochs = 12;
    let summary = adapt(&run, &config, &Silent).unwrap();
    let (before, after) = (summary.before.unwrap(), summary.after.unwrap());
    assert!(
        after.loss < 0.8 * before.loss,
        "{} to {}",
        before.loss,
        after.loss
    );
    let fvu = |losses: &artefacts::training::HeldOutLoss| losses.losses["fvu"];
    assert!(fvu(&after) < fvu(&before));
    for name in [
        "por_Latn.retrieval",
        "retrieval",
        "por_Latn.fvu",
        "eng_Latn.fvu",
        "pooled",
    ] {
        assert!(
            after.losses.contains_key(name),
            "{name} in {:?}",
            after.losses
        );
    }
    let device = Device::flex();
    let (backbone, network) =
        Backbone::load(&run.join(MODEL), &device, WeightForm::Parameters).unwrap();
    let english = TextInput::Single("Many people walked home.");
    let encoded = backbone.encode(&english, Some("eng_Latn")).unwrap();
    let pooled = backbone.pooled(&network, &[&encoded], None, None);
    assert_eq!(pooled.dims(), [1, 32]);
}

#[test]
fn states_that_are_kept_change_nothing() {
    let measured = |cache_gigabytes: f64, loss: AdaptationLoss| {
        let folder = tempfile::tempdir().unwrap();
        let config = AdaptConfig {
            cache_gigabytes,
            loss,
            ..config()
        };
        let run = folder.path().join("run");
        let summary = adapt(&run, &config, &Silent).unwrap();
        assert_eq!(run.join("states-llm").is_dir(), cache_gigabytes > 0.0);
        assert_eq!(run.join("states-encoder").is_dir(), cache_gigabytes > 0.0);
        summary.after.unwrap().loss
    };
    for loss in [AdaptationLoss::Pooled, AdaptationLoss::Aligned] {
        let (kept, computed) = (measured(1.0, loss), measured(0.0, loss));
        assert!(
            (kept - computed).abs() < 1e-5 * computed,
            "{kept} {computed}"
        );
    }
}

#[test]
fn another_text_or_other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    adapt(&run, &config(), &Silent).unwrap();
    let aligned = AdaptConfig {
        loss: AdaptationLoss::Aligned,
        ..config()
    };
    let error = adapt(&run, &aligned, &Silent).unwrap_err().to_string();
    assert!(
        error.contains("states") && error.contains("other data"),
        "{error}"
    );
}

#[test]
fn files_of_translations_must_have_as_many_lines() {
    let folder = tempfile::tempdir().unwrap();
    let files = retrieval(folder.path());
    fs::write(&files.translations["por_Latn"], "O mar fecha.\n").unwrap();
    let error = match STACK.prepare_with(&config(), folder.path(), Some(&files), &Silent) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("files of one and of three lines"),
    };
    assert!(
        error.contains("por.txt has 1 lines") && error.contains("has 3"),
        "{error}"
    );
}

#[test]
fn too_few_words_for_a_projection_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    fs::write(&path, "The sea.\nA box.\n").unwrap();
    let text = AdaptationText {
        sources: &[corpus::source::plain_text::TextSource::Files(path.into())],
        options: &TextOptions::default(),
        language: "eng_Latn",
        retrieval: None,
    };
    let config = AdaptConfig {
        projection: ProjectionStart::LeastSquares,
        ..config()
    };
    let (encoder, llm, run) = (STACK.encoder(), STACK.llm(), folder.path().join("run"));
    let settings = STACK.settings();
    let error = general_adaptation(encoder, llm, settings, text, &config, &run, &Silent);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("least-squares") && error.contains("at least 16 words"),
        "{error}"
    );
}

#[test]
fn in_bf16_attention_adapters_and_projection_are_multiplied_in_bf16_too() {
    let mut config = config();
    config.training.precision = Precision::Bf16;
    let measure = || {
        let place = tempfile::tempdir().unwrap();
        let prepared = STACK.prepare(&config, place.path()).unwrap();
        let measured = prepared.recipe.held_out(&prepared.network).unwrap();
        measured.unwrap().loss
    };
    let (inside, outside) = (Precision::Bf16.scope(measure), measure());
    let place = tempfile::tempdir().unwrap();
    let summary = adapt(&place.path().join("run"), &config, &Silent).unwrap();
    let found = summary.before.unwrap().loss;
    let off = |expected: f64| (found - expected).abs() / found;
    assert!(off(inside) < 1e-6, "{found} instead of {inside}");
    assert!(off(outside) > 1e-5, "{found} as in f32: {outside}");
}
