//! Training of an LLM's adapters on plain text, from the model to the merged result: what MNTP and
//! SimCSE have in common.

use std::fs;
use std::path::Path;

use artefacts::training::{Export, TrainSummary};
use artefacts::{Lock, Provenance};
use corpus::progress::Progress;
use models::export::StoredFormat;
use models::{LanguageModel, NamedLinears, Network};

use super::fine_tune::{Method, SavedModel};
use super::loop_config::{LoopConfig, LoopDefaults};
use super::product;
use super::recipe_error::RecipeError;
use crate::run::{Recipe, train};
use crate::token_file::TokenFile;

/// Name of the adapter in the folder of a run.
const ADAPTER: &str = "adapter";
/// Name of the merged model in the folder of a run, a Hugging Face directory.
pub const MERGED: &str = "adapter-merged";

/// What is made, and where.
pub(super) struct Job<'a, D: LoopDefaults> {
    pub training: &'a LoopConfig<D>,
    /// Name of the section with `training`, for messages.
    pub section: &'a str,
    /// Number format of the merged model.
    pub format: StoredFormat,
    pub provenance: Provenance,
    pub folder: &'a Path,
    pub progress: &'a dyn Progress,
}

impl<D: LoopDefaults> Job<'_, D> {
    /// Trains fresh adapters of `model` by `recipe` on documents of `tokens`. The folder receives
    /// checkpoints, metrics, the adapter, the merged model and, last, the manifest.
    pub fn run<R: Recipe<Network = Network, Error = RecipeError>>(
        self,
        model: LanguageModel,
        tokens: &TokenFile<1>,
        recipe: &R,
    ) -> Result<TrainSummary, RecipeError> {
        let Job {
            training,
            section,
            folder,
            progress,
            ..
        } = self;
        training.validate(section)?;
        training.validate_on(section, &model.network.device())?;
        let output = folder.join(ADAPTER);
        let export = Export {
            precision: self.format.name().to_owned(),
            merged: true,
            interpolate: None,
        };
        if let Some(summary) = product::finished_llm(folder, &output, &export, &self.provenance)? {
            return Ok(summary);
        }
        fs::create_dir_all(folder).map_err(artefacts::ArtefactError::io("create", folder))?;
        let _lock = Lock::whole(folder)?;
        let (saved, network) = SavedModel::part(model, Method::Lora);
        let network = with_adapters(network, training, section)?;
        let settings = training.settings();
        let provenance = self.provenance.clone();
        let (network, state) = train(recipe, network, &settings, provenance, folder, progress)?;
        let counts = tokens.counts();
        let held_out = tokens.len() - recipe.items();
        let summary = TrainSummary {
            training_examples: recipe.items(),
            held_out_examples: held_out,
            dropped_examples: counts.empty as usize,
            truncated_examples: counts.columns.values().map(|c| c.truncated as usize).sum(),
            ..product::summary_of(&state, &network, training.learning_rate)
        };
        let directories = saved.export(&network, self.format, true, &output)?;
        product::finish_llm(
            folder,
            &directories,
            export,
            self.provenance,
            summary.clone(),
        )?;
        Ok(summary)
    }
}

/// The network with fresh adapters, the only parameters that are trained.
pub(crate) fn with_adapters<D: LoopDefaults>(
    network: Network,
    training: &LoopConfig<D>,
    section: &str,
) -> Result<Network, RecipeError> {
    use burn::module::Module;
    let network = network
        .merge_lora()
        .with_lora(&training.lora(), training.seed);
    let network = network.map_err(|source| RecipeError::Lora {
        section: section.to_owned(),
        source,
    })?;
    let network = match training.weight_form() {
        models::WeightForm::Frozen(format) => network.frozen(format),
        _ => network,
    };
    Ok(network.recomputing(training.recompute).train())
}
