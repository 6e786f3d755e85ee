//! General adaptation, stage 1 of MT-LLM (Schmidt et al. 2024, arXiv 2406.12739): an LLM learns from
//! plain text to read the states of a frozen multilingual encoder.
//!
//! The teacher is the LLM itself, reading the text; the student is the stack, in which the projected
//! states of the encoder take the place of token embeddings and the LLM has adapters. The loss is
//! the mean squared error between their pooled states. Projection and adapters are trained, nothing
//! else.
//!
//! [`general_adaptation`] reads in this order: [`prepare`] tokenises the [`Documents`] for both
//! models, starts the projection and puts what does not change on disk if it is needed again;
//! [`GeneralAdaptation`] is the recipe given to the loop.

mod config;
mod document;
mod document_states;
mod error;
mod kept_states;
mod least_squares;
mod prepare;
mod projection;
mod recipe;
mod retrieval;

use std::fs;
use std::path::{Path, PathBuf};

use artefacts::training::{Export, TrainSummary};
use artefacts::{ArtefactError, Lock, Provenance};
use corpus::progress::Progress;
use corpus::source::plain_text::{TextOptions, TextSource};
use models::encoders::EncoderModel;
use models::model_directory::CardFacts;
use models::{BackboneSettings, LanguageModel, ModelIdentity, SaveOptions};
use serde_json::json;

use super::llm_tokens::text_key;
use super::product;
use crate::run::train;
use crate::token_file::TokenFileError;

pub use config::{AdaptConfig, AdaptationLoop, AdaptationLoss, ProjectionStart};
pub use document::{Document, Documents, aligned};
pub use error::AdaptError;
pub use least_squares::{Fit, LeastSquares};
pub use prepare::{Prepared, prepare};
pub use recipe::{GeneralAdaptation, HeldOut};
pub use retrieval::{Retrieval, RetrievalFiles};

/// Name of the adapted model in the folder of a run; see [`models::model_directory`].
pub const MODEL: &str = "model";

/// Raised whenever a code change affects what is learnt.
const VERSION: u32 = 2;

const SECTION: &str = "adapt";

/// What the stack learns from.
#[derive(Debug, Clone, Copy)]
pub struct AdaptationText<'a> {
    /// Plain text in a language that the LLM knows.
    pub sources: &'a [TextSource],
    /// How it is read.
    pub options: &'a TextOptions,
    /// The FLORES-200 code of its language.
    pub language: &'a str,
    /// Sentences with translations, on which progress is measured.
    pub retrieval: Option<&'a RetrievalFiles>,
}

/// Adapts `llm` to `encoder` and writes the stack with the lowest held-out loss to the folder
/// [`MODEL`] in `folder`, which also receives tokens, kept states, checkpoints, metrics and, last,
/// the manifest.
///
/// A killed run resumes where it was, with the same result as an uninterrupted one. A finished run
/// only returns its summary.
pub fn general_adaptation(
    encoder: EncoderModel,
    llm: LanguageModel,
    settings: BackboneSettings,
    text: AdaptationText<'_>,
    config: &AdaptConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<TrainSummary, AdaptError> {
    config.validate(SECTION)?;
    let device = llm.network.device();
    let training = &config.training;
    training.validate_on(&format!("{SECTION}.training"), &device)?;
    let prefix = encoder.tokenizer.prefix();
    let identities = (&encoder.identity, &llm.identity);
    let provenance = provenance(config, settings, identities, prefix, text)?;
    let output = folder.join(MODEL);
    let export = Export {
        precision: "f32".to_owned(),
        merged: false,
        interpolate: None,
    };
    if let Some(summary) = product::finished_llm(folder, &output, &export, &provenance)? {
        return Ok(summary);
    }
    fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = Lock::whole(folder)?;
    // States that are kept are multiplied as those that are not.
    let (network, state, recipe, mut warnings) = training.precision.scope(|| {
        let Prepared {
            recipe,
            network,
            warnings,
        } = prepare(encoder, llm, settings, text, config, folder, progress)?;
        let settings = config.settings();
        let provenance = provenance.clone();
        let (network, state) = train(&recipe, network, &settings, provenance, folder, progress)?;
        Ok::<_, AdaptError>((network, state, recipe, warnings))
    })?;

    let options = SaveOptions {
        card: card(&recipe, text.sources, state.best.as_ref()),
        whole_model: false,
    };
    recipe.stack.save(&network, &output, &options)?;
    let counts = recipe.documents.file().counts();
    warnings.extend(counts.notes(recipe.stack.max_length()));
    let summary = TrainSummary {
        training_examples: recipe.train.len(),
        held_out_examples: recipe.held_out.documents.len(),
        truncated_examples: counts.columns["the encoder"].truncated as usize,
        warnings,
        ..product::summary_of(&state, &network, training.learning_rate)
    };
    product::finish_llm(folder, &[output], export, provenance, summary.clone())?;
    Ok(summary)
}

/// Everything that determines the result of [`general_adaptation`], without loading any weights.
/// `prefix` is what the encoder's tokenizer puts before each text.
pub fn provenance(
    config: &AdaptConfig,
    settings: BackboneSettings,
    (encoder, llm): (&ModelIdentity, &ModelIdentity),
    prefix: &str,
    text: AdaptationText<'_>,
) -> Result<Provenance, TokenFileError> {
    let inputs = [
        ("text", text_key(text.sources)?.to_string()),
        ("encoder", encoder.revision.clone()),
        ("LLM", llm.revision.clone()),
    ];
    Ok(Provenance {
        stage: "adapt".to_owned(),
        version: VERSION,
        parameters: json!({
            "config": config.deciding(),
            "reading": settings,
            "prefix": prefix,
            "language": text.language,
            "text": text.options,
        }),
        engines: Vec::new(),
        inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
    })
}

/// What the model card says.
fn card(
    recipe: &GeneralAdaptation,
    text: &[TextSource],
    best: Option<&artefacts::training::HeldOutLoss>,
) -> CardFacts {
    let counts = recipe.documents.file().counts();
    let files = text
        .iter()
        .filter_map(|source| source.files().ok())
        .flatten();
    let name = |path: PathBuf| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let names: Vec<String> = files.filter_map(name).collect();
    let data = format!(
        "{} documents of plain text ({})",
        counts.documents,
        names.join(", ")
    );
    let scores = best.iter().flat_map(|best| &best.losses);
    CardFacts {
        data: vec![data],
        scores: scores
            .map(|(name, value)| (name.clone(), format!("{value:.4}")))
            .collect(),
    }
}
