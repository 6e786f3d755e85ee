//! Everything before the first step.

use std::path::Path;

use artefacts::Provenance;
use burn::module::Module;
use corpus::progress::Progress;
use corpus::source::plain_text::documents;
use models::encoders::EncoderModel;
use models::{
    Backbone, BackboneNetwork, BackboneSettings, LanguageModel, ModelIdentity, NamedLinears,
    StackNetwork, WeightForm,
};
use serde_json::json;

use super::config::{AdaptConfig, AdaptationLoss, ProjectionStart};
use super::document::Documents;
use super::error::AdaptError;
use super::kept_states::Keeping;
use super::recipe::{GeneralAdaptation, HeldOut};
use super::retrieval::Retrieval;
use super::{AdaptationText, projection, retrieval};
use crate::recipes::llm_tokens::text_key;
use crate::states::States;
use crate::token_file::TokenFileError;

/// Raised whenever a code change affects the documents' tokens.
const VERSION: u32 = 1;

/// What training begins with.
pub struct Prepared {
    /// The recipe.
    pub recipe: GeneralAdaptation,
    /// The network, in which projection, layer mix and adapters require gradients.
    pub network: BackboneNetwork,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// Everything before the first step of [`general_adaptation`](super::general_adaptation): documents, kept states, and the stack
/// with its projection and adapters.
pub fn prepare(
    encoder: EncoderModel,
    llm: LanguageModel,
    settings: BackboneSettings,
    text: AdaptationText<'_>,
    config: &AdaptConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Prepared, AdaptError> {
    let training = &config.training;
    let layers = if config.layer_mix {
        encoder.shape().layers + 1
    } else {
        1
    };
    let source_width = encoder.shape().hidden_size;
    let (llm_backbone, _) = Backbone::of_llm(llm.clone(), settings);
    let (stack, network) =
        Backbone::of_stack(encoder, llm, settings, config.layer_mix, training.seed);
    let network = network
        .merge_lora()
        .with_lora(&training.lora(), training.seed)?;
    let network = match training.weight_form() {
        WeightForm::Frozen(format) => network.frozen(format),
        _ => network,
    };
    let BackboneNetwork::Stack(mut network) = network else {
        unreachable!("a stack has the network of one");
    };
    let own = BackboneNetwork::Decoder(network.decoder.without_adapters());

    let documents = Documents::make(
        &folder.join("tokens"),
        documents(text.sources, text.options).map_err(TokenFileError::from)?,
        (&stack, &llm_backbone),
        text.language,
        config.aligns(),
        documents_provenance(&stack, &llm_backbone, text, config.aligns())?,
        progress,
    )?;
    let (train, held_out) = documents.file().split(config.held_out, training.seed);
    let mut warnings = Vec::new();
    if config.projection == ProjectionStart::LeastSquares {
        let fit = projection::fit(&documents, &train, &stack, &network, progress)?;
        let line = format!(
            "least-squares projection: {} words, fraction of variance unexplained {:.3}",
            fit.count, fit.fvu
        );
        progress.note(&line);
        warnings.push(line);
        network = projection::with_projection(network, &fit);
    }

    let llm = (&llm_backbone, &own);
    let keeping = Keeping {
        documents: &documents,
        precision: training.precision,
        folder,
        progress,
    };
    let aligned = config.loss == AdaptationLoss::Aligned;
    let width = own.hidden_size();
    let held_out = held_out_of(&keeping, held_out, llm, width, aligned)?;
    let steps = train.len().div_ceil(training.items_per_step);
    let seen_again = config.settings().total_steps(steps) > steps;
    let mut room = if seen_again {
        config.cache_gigabytes * 1e9
    } else {
        0.0
    };
    let mut fits = |bytes: u64| {
        let fits = bytes as f64 <= room;
        room -= if fits { bytes as f64 } else { 0.0 };
        fits
    };
    let layout = keeping.llm_layout(width, &train, aligned);
    let llm_states = match fits(layout.bytes()) {
        true => Some(keeping.llm("states-llm", llm, &layout, aligned)?),
        false => None,
    };
    let layout = keeping.source_layout(source_width, &train, layers);
    let source_states = match fits(layout.bytes()) {
        true => {
            let states = keeping.source("states-encoder", &stack, &layout, config.layer_mix)?;
            Some((states, layers))
        }
        false => None,
    };
    let retrieval = match text.retrieval {
        Some(files) => Some(Retrieval::read(files, text.language, &stack, llm)?),
        None => None,
    };
    let recompute = training.recompute;
    Ok(Prepared {
        network: trained(network, recompute),
        recipe: GeneralAdaptation {
            llm: (llm_backbone, own),
            stack,
            documents,
            train,
            held_out,
            loss: config.loss,
            dropout: training.lora_dropout > 0.0,
            llm_states,
            source_states,
            retrieval,
        },
        warnings,
    })
}

/// The network on a device with gradients.
fn trained(network: StackNetwork, recompute: bool) -> BackboneNetwork {
    BackboneNetwork::Stack(network)
        .recomputing(recompute)
        .train()
}

fn held_out_of(
    keeping: &Keeping<'_>,
    documents: Vec<usize>,
    llm: (&Backbone, &BackboneNetwork),
    width: usize,
    aligned: bool,
) -> Result<HeldOut, AdaptError> {
    if documents.is_empty() {
        return Ok(HeldOut {
            documents,
            states: None,
            variance: None,
        });
    }
    let layout = keeping.llm_layout(width, &documents, aligned);
    let states = keeping.llm("states-held-out", llm, &layout, aligned)?;
    Ok(HeldOut {
        variance: variance_of(&states, &documents)?,
        states: Some(states),
        documents,
    })
}

/// The variance of the pooled states of these documents.
fn variance_of(states: &States, documents: &[usize]) -> Result<Option<f64>, AdaptError> {
    let width = states.width();
    let mut pooled = Vec::with_capacity(documents.len() * width);
    for &document in documents {
        pooled.extend_from_slice(&states.read(document)?[..width]);
    }
    let variance = retrieval::variance(&pooled, width);
    Ok((documents.len() > 1 && variance > 0.0).then_some(variance))
}

fn documents_provenance(
    stack: &Backbone,
    llm: &Backbone,
    text: AdaptationText<'_>,
    aligns: bool,
) -> Result<Provenance, TokenFileError> {
    let revision = |model: Option<&ModelIdentity>| {
        model
            .map(|model| model.revision.clone())
            .unwrap_or_default()
    };
    let inputs = [
        ("text", text_key(text.sources)?.to_string()),
        ("encoder", revision(stack.encoder())),
        ("LLM", revision(llm.llm())),
    ];
    Ok(Provenance {
        stage: "documents".to_owned(),
        version: VERSION,
        parameters: json!({
            "options": text.options,
            "language": text.language,
            "prefix": stack.prefix(),
            "max_length": [stack.max_length(), llm.max_length()],
            "aligns": aligns,
        }),
        engines: Vec::new(),
        inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
    })
}
