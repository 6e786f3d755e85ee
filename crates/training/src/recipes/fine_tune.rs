//! Fine-tuning on the transfer set: SDRRL (arXiv 2402.12204) and its baselines.
//!
//! [`fine_tune`] reads in this order: [`Encoder`] turns examples into token ids and marks the
//! supervised ones; [`Objective`] weights every token so that the loss is that of section 3.2.5;
//! [`SupervisedSet`] packs examples, lays a batch out flat and computes its loss, to which [`Taught`]
//! adds what a teacher knows; [`FineTune`] is the recipe given to the loop; [`SavedModel`] writes the result.

mod batch;
mod config;
pub mod disk;
mod encode;
mod error;
mod inspect;
mod interpolation;
mod intervals;
pub mod memory;
mod objective;
mod preflight;
mod product;
mod recipe;
mod saved_model;
mod shared_prompts;
mod steps;
mod supervised_set;
mod teacher;
mod written;

use std::fs;
use std::path::Path;

use artefacts::training::TrainSummary;
use artefacts::{ArtefactError, Lock, MANIFEST_FILE, Manifest};
use burn::module::Module;
use corpus::progress::Progress;
use corpus::record::Example;
use corpus::seam::LanguageIdentifier;
use models::{LanguageModel, Network};
use serde_json::Value;

use crate::optimizer::{NamedTensors, trainable};
use crate::recipes::product::{finish_llm, summary_of};
use crate::run::{TrainerState, train};

pub use batch::Batch;
pub use config::{
    Balance, ChooseBy, ConfigError, ExcessLength, Interpolate, LearningRate, Method, Reduction,
    Rule, Together, TrainConfig, WrittenMeasure,
};
use encode::max_length;
pub use encode::{EncodeError, Encoded, EncodedSet, Encoder};
pub use error::TrainError;
pub use inspect::{InspectError, Sample, samples};
use interpolation::Ends;
pub use objective::Objective;
pub use preflight::model_warnings;
use preflight::{learning_rate_warning, length_warnings};
pub use product::{finished, model_key, provenance, unmeasured};
pub use recipe::{FineTune, prepare};
pub use saved_model::{SaveError, SavedModel, merged_directory};
pub use supervised_set::SupervisedSet;
pub use teacher::{Taught, teacher_provenance};
use written::Written;

/// Fine-tunes `model` on `examples`, keeps the parameters that are best on `held_out` (with
/// [`ChooseBy::OffTarget`], as `identifier` sees it), and writes them to `output`: a Hugging Face directory, or a PEFT adapter for LoRA.
///
/// The folder of `places` receives checkpoints, metrics and the manifest. A killed run resumes at its last
/// checkpoint with the same losses as an uninterrupted run. A finished run only returns its
/// summary; if its export settings changed or its model is damaged, the model is exported again.
pub fn fine_tune(
    model: LanguageModel,
    examples: &[Example],
    held_out: &[Example],
    config: &TrainConfig,
    places: &Places<'_>,
    identifier: Option<&dyn LanguageIdentifier>,
    progress: &dyn Progress,
) -> Result<TrainSummary, TrainError> {
    let Places { folder, output, .. } = *places;
    config.validate()?;
    config.validate_on(&model.network.device())?;
    let provenance = provenance(config, &model.identity.revision, examples, held_out);
    if let Some(summary) = finished(folder, output, config, &provenance)? {
        return Ok(summary);
    }
    fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = Lock::whole(folder)?;
    // In a store, another run may have done it while this one waited for the lock.
    if let Some(summary) = finished(folder, output, config, &provenance)? {
        return Ok(summary);
    }
    let mut data = Data::encode(&model, examples, held_out, config)?;
    let width = model.network.config().shape().hidden_size;
    let peak = data.peak_learning_rate(config, width);
    data.warnings.extend(learning_rate_warning(config, peak));
    let written = data.written(held_out, config, identifier)?;
    for warning in &data.warnings {
        progress.note(&format!("warning: {warning}"));
    }
    let finished = Manifest::<Value>::read(&folder.join(MANIFEST_FILE)).ok();
    if let Some(Some(finished)) = finished
        && finished.provenance == provenance
    {
        progress.note(
            "the exported model is missing, modified or in another format: exporting it again",
        );
    }
    let teacher = teacher_provenance(config, &model.identity.revision, &[examples, held_out]);
    let taught = match teacher {
        Some(made_from) => {
            let sets = [&*data.train.examples, &*data.held_out.examples];
            let network = model.network.valid();
            let folder = places.teacher;
            Taught::make(&network, sets, config, &made_from, folder, progress)?.map(Some)
        }
        None => [None, None],
    };
    let (model, network) = SavedModel::part(model, config.method);
    let network = prepare(network, config)?;
    let settings = config.settings(peak);
    let (mut recipe, counts) = data.into_recipe(model, taught, config);
    recipe.written = written;

    let (network, state) = train(
        &recipe,
        network,
        &settings,
        provenance.clone(),
        folder,
        progress,
    )?;

    let mut summary = counts.summary(&state, &network, settings.peak_learning_rate);
    let network = match config.interpolate {
        None => network,
        Some(interpolate) => {
            let ends = Ends {
                method: config.method,
                before: before_training(&recipe.model, &network, config)?,
                trained: network,
                path: recipe.model.path(),
            };
            let before = state.before.as_ref();
            let between = ends.interpolated(interpolate, &recipe.held_out, before, progress)?;
            summary.interpolation = Some(between.share);
            summary.after = between.held_out;
            between.network
        }
    };
    let directories =
        recipe
            .model
            .export(&network, config.export_precision, config.lora_merge, output)?;
    finish_llm(
        folder,
        &directories,
        product::export(config),
        provenance,
        summary.clone(),
    )?;
    Ok(summary)
}

/// The parameters of `model` before training; none if it gets adapters, which are zero then.
fn before_training(
    model: &SavedModel,
    network: &Network,
    config: &TrainConfig,
) -> Result<NamedTensors, TrainError> {
    if config.method == Method::Lora {
        return Ok(NamedTensors::new());
    }
    let form = config.weight_form();
    let before = LanguageModel::load_as(model.path(), &network.device(), form);
    let before = before.map_err(TrainError::Before)?;
    Ok(trainable(&prepare(before.network, config)?))
}

/// Folders of a training.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// Checkpoints, metrics and the manifest.
    pub folder: &'a Path,
    /// The teacher's distributions, if there are distilled examples.
    pub teacher: &'a Path,
    /// The trained model.
    pub output: &'a Path,
}

/// The examples of a run as token ids.
struct Data {
    train: EncodedSet,
    held_out: EncodedSet,
    warnings: Vec<String>,
}

impl Data {
    fn encode(
        model: &LanguageModel,
        train: &[Example],
        held_out: &[Example],
        config: &TrainConfig,
    ) -> Result<Self, EncodeError> {
        let encoder = Encoder::new(model, config)?;
        let max_length = max_length(model, config);
        let (given, train) = (train.len(), encoder.encode(train)?);
        if train.examples.is_empty() {
            let dropped = train.dropped.len();
            return Err(EncodeError::Empty {
                given,
                dropped,
                max_length,
            });
        }
        let held_out = encoder.encode(held_out)?;
        let mut warnings = model_warnings(model, config)?;
        warnings.extend(length_warnings("training", &train, max_length));
        warnings.extend(length_warnings("held-out", &held_out, max_length));
        Ok(Self {
            train,
            held_out,
            warnings,
        })
    }

    fn peak_learning_rate(&self, config: &TrainConfig, width: usize) -> f64 {
        let examples = &self.train.examples;
        let steps = steps::steps(examples, config, 0).len();
        let examples_per_step = examples.len() as f64 / steps as f64;
        let objective = Objective::new(config, examples);
        let tokens = objective.answer_tokens_per_step(examples_per_step, examples);
        let answer_tokens: usize = examples.iter().map(Encoded::answer_tokens).sum();
        let all_tokens: usize = examples.iter().map(|example| example.ids.len()).sum();
        let share = answer_tokens as f64 / all_tokens as f64;
        config.peak_learning_rate(tokens, share, width)
    }

    /// The held-out questions to be answered, if answers are measured. Warns of measures that there
    /// are no questions for.
    fn written<'a>(
        &mut self,
        held_out: &[Example],
        config: &TrainConfig,
        identifier: Option<&'a dyn LanguageIdentifier>,
    ) -> Result<Option<Written<'a>>, TrainError> {
        let chosen = config.choose_by.measure();
        if chosen.is_none() && config.measure.is_empty() {
            return Ok(None);
        }
        let written = Written::new(&self.held_out.examples, held_out, config, identifier);
        let lacking = |measure: &WrittenMeasure| !written.can_be_measured(*measure);
        if let Some(measure) = chosen.filter(lacking) {
            return Err(TrainError::NothingToChooseBy(measure.name()));
        }
        let lacking = config.measure.iter().filter(|measure| lacking(measure));
        let lacking: Vec<&str> = lacking.map(|measure| measure.name()).collect();
        if let [first, others @ ..] = &lacking[..] {
            let known = match *first == WrittenMeasure::OffTarget.name() && others.is_empty() {
                true => " that [identify] knows",
                false => "",
            };
            let are = if others.is_empty() { "is" } else { "are" };
            self.warnings.push(format!(
                "{UNMEASURED} {} {are} not measured: there are no held-out questions to be \
                 answered in a target language{known} (see mix.subsets and mix.held_out_fraction)",
                lacking.join(" and ")
            ));
        }
        Ok(Some(written))
    }

    /// The recipe for the examples, and their counts for the summary.
    fn into_recipe(
        self,
        model: SavedModel,
        [train, held_out]: [Option<Taught>; 2],
        config: &TrainConfig,
    ) -> (FineTune<'static>, Counts) {
        let counts = Counts {
            training_examples: self.train.examples.len(),
            held_out_examples: self.held_out.examples.len(),
            dropped_examples: self.train.dropped.len(),
            truncated_examples: self.train.truncated.len(),
            warnings: self.warnings,
        };
        let recipe = FineTune {
            train: SupervisedSet::new(self.train.examples, config).taught(train),
            held_out: SupervisedSet::new(self.held_out.examples, config).taught(held_out),
            model,
            choose_by: config.choose_by,
            written: None,
        };
        (recipe, counts)
    }
}

/// Beginning of a warning of a measure that there are no questions for.
const UNMEASURED: &str = "train.measure:";

/// Counts of the examples for a summary.
struct Counts {
    training_examples: usize,
    held_out_examples: usize,
    dropped_examples: usize,
    truncated_examples: usize,
    warnings: Vec<String>,
}

impl Counts {
    fn summary(self, state: &TrainerState, network: &Network, learning_rate: f64) -> TrainSummary {
        TrainSummary {
            training_examples: self.training_examples,
            held_out_examples: self.held_out_examples,
            dropped_examples: self.dropped_examples,
            truncated_examples: self.truncated_examples,
            warnings: self.warnings,
            ..summary_of(state, network, learning_rate)
        }
    }
}
