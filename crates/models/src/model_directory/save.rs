//! Writing a model directory.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use burn::Tensor;
use burn::module::Module;
use burn::tensor::TensorData;

use super::description::VERSION;
use super::{
    ADAPTER, BackboneKind, CardFacts, DESCRIPTION_FILE, Description, ENCODER, EncoderReference,
    HEADS, LLM, ModelDirectoryError, ModelReference, PROJECTION, SHIFTS, TaskDescription, card,
};
use crate::backbone::{Backbone, BackboneNetwork};
use crate::classifier::Head;
use crate::encoders::{EncoderModel, EncoderNetwork};
use crate::export::files::Folder;
use crate::export::weights::{self, Values};
use crate::export::{StoredFormat, save_encoder, save_huggingface, write_adapter};
use crate::identity::ModelIdentity;
use crate::language_model::LanguageModel;
use crate::layers::Linear;
use crate::layers::NamedLinears;
use crate::stacks::{LanguageShifts, StackNetwork};

/// How a model directory is written.
#[derive(Debug, Clone, Default)]
pub struct SaveOptions {
    /// What the model card says besides what the program knows.
    pub card: CardFacts,
    /// Whether the LLM or the encoder alone was trained as a whole, so that it is written as a
    /// whole.
    pub whole_model: bool,
}

/// Writes `directory`.
pub(super) fn save(
    backbone: &Backbone,
    network: &BackboneNetwork,
    heads: &BTreeMap<String, Head>,
    directory: &Path,
    options: &SaveOptions,
) -> Result<(), ModelDirectoryError> {
    let folder = Folder::create(directory)?;
    // Without its description, what is there is unfinished.
    folder.remove(DESCRIPTION_FILE)?;
    let (kind, stack) = match network {
        BackboneNetwork::Decoder(_) => (BackboneKind::Llm, None),
        BackboneNetwork::Encoder(_) => (BackboneKind::Encoder, None),
        BackboneNetwork::Stack(stack) => (BackboneKind::Stack, Some(stack)),
    };
    let (llm, encoder) = (backbone.llm(), backbone.encoder());
    let directory = &absolute(directory);
    let fits = match kind {
        BackboneKind::Llm => llm.is_some() && encoder.is_none(),
        BackboneKind::Encoder => llm.is_none() && encoder.is_some(),
        BackboneKind::Stack => llm.is_some() && encoder.is_some(),
    };
    if !fits {
        return Err(ModelDirectoryError::Mismatch);
    }
    if let Some(stack) = stack {
        folder.weights(PROJECTION, projection(stack), StoredFormat::F32)?;
    }
    let mut llm = llm.map(|identity| reference(identity, directory));
    let mut encoder = encoder.map(|identity| EncoderReference {
        model: reference(identity, directory),
        prefix: backbone.prefix().to_owned(),
    });
    let adapted = match options.whole_model {
        false => {
            let encoder = encoder.as_ref().map(|encoder| &encoder.model);
            let base = llm.as_ref().or(encoder).map(|model| &model.path);
            let base = base.map(|path| match path.is_absolute() {
                true => path.clone(),
                false => Path::new("..").join(path),
            });
            write_adapters(network, &base.unwrap_or_default(), directory)?
        }
        true => {
            match (network, &mut llm, &mut encoder) {
                (BackboneNetwork::Encoder(network), _, Some(EncoderReference { model, .. })) => {
                    write_encoder(network, model, directory)?;
                }
                (network, Some(llm), _) => write_llm(network, llm, directory)?,
                (_, None, _) => return Err(ModelDirectoryError::Mismatch),
            }
            false
        }
    };
    if !heads.is_empty() {
        let tensors = heads.iter();
        let tensors = tensors.map(|(task, head)| {
            let name = format!("{task}.weight");
            (name, Values::new(head.weight.val()))
        });
        folder.weights(HEADS, tensors.collect(), StoredFormat::F32)?;
    }
    let none = LanguageShifts::default();
    let shifts = backbone.shifts().unwrap_or(&none);
    let shift = |code: &str| {
        let values = shifts.get(code).unwrap_or_default();
        let width = stack.map_or(1, |stack| stack.up_projection.weight.dims()[1]);
        let shape = [values.len() / width, width];
        let tensor = Tensor::<2>::from_data(
            TensorData::new(values.to_vec(), shape),
            &burn::tensor::Device::flex(),
        );
        (code.to_owned(), Values::new(tensor))
    };
    let tensors: Vec<(String, Values)> = shifts.languages().map(shift).collect();
    match tensors.is_empty() {
        true => folder.remove(SHIFTS)?,
        false => folder.weights(SHIFTS, tensors, StoredFormat::F32)?,
    }
    let task = |(name, head): (&String, &Head)| {
        let description = TaskDescription {
            kind: head.kind,
            labels: head.labels.clone(),
        };
        (name.clone(), description)
    };
    let description = Description {
        version: VERSION,
        kind,
        reading: backbone.settings(),
        llm,
        encoder,
        layer_mix: stack.is_some_and(|stack| stack.layer_mix.is_some()),
        adapter: adapted,
        shifted: shifts.languages().map(str::to_owned).collect(),
        tasks: heads.iter().map(task).collect(),
    };
    folder.text("README.md", &card::card(&description, &options.card))?;
    let json = serde_json::to_value(&description).expect("maps have text keys");
    Ok(folder.json(DESCRIPTION_FILE, &json)?)
}

/// Writes the LLM as a whole, so that `reference` names what was written.
fn write_llm(
    network: &BackboneNetwork,
    reference: &mut ModelReference,
    directory: &Path,
) -> Result<(), ModelDirectoryError> {
    let decoder = network.decoder().ok_or(ModelDirectoryError::Mismatch)?;
    let mut model =
        LanguageModel::load(directory.join(&reference.path), &decoder.device().inner())?;
    model.network = decoder.valid().with_output_of(model.network);
    let path = directory.join(LLM);
    save_huggingface(&model, &path, StoredFormat::F32)?;
    reference.revision = LanguageModel::identity_of(&path)?.revision;
    reference.path = LLM.into();
    Ok(())
}

/// Writes the encoder as a whole, so that `reference` names what was written.
fn write_encoder(
    network: &EncoderNetwork,
    reference: &mut ModelReference,
    directory: &Path,
) -> Result<(), ModelDirectoryError> {
    let path = directory.join(ENCODER);
    save_encoder(
        network,
        &directory.join(&reference.path),
        &path,
        StoredFormat::F32,
    )?;
    reference.revision = EncoderModel::identity_of(&path)?.revision;
    reference.path = ENCODER.into();
    Ok(())
}

/// Writes the adapters of the LLM or encoder, if there are any.
fn write_adapters(
    network: &BackboneNetwork,
    base: &Path,
    directory: &Path,
) -> Result<bool, ModelDirectoryError> {
    let mut layers: Vec<(String, Linear)> = Vec::new();
    network.clone().map_linears(|name, layer| {
        layers.push((name.to_owned(), layer.clone()));
        layer
    });
    let adapters = weights::adapters(layers);
    if adapters.is_empty() {
        return Ok(false);
    }
    let transposed = |name: &str| {
        let decoder = network.decoder();
        decoder.is_some_and(|decoder| decoder.stores_transposed(name))
    };
    let task = match network.decoder() {
        Some(_) => "CAUSAL_LM",
        None => "FEATURE_EXTRACTION",
    };
    write_adapter(adapters, transposed, task, base, &directory.join(ADAPTER))?;
    Ok(true)
}

fn projection(stack: &StackNetwork) -> Vec<(String, Values)> {
    let projection = &stack.up_projection;
    let weight = Values::new(projection.weight.val());
    let mut tensors = vec![("up_projection.weight".to_owned(), weight)];
    let bias = projection.bias.as_ref();
    tensors.extend(bias.map(|bias| ("up_projection.bias".to_owned(), Values::new(bias.val()))));
    let mix = stack.layer_mix.as_ref();
    tensors.extend(mix.map(|mix| ("layer_mix".to_owned(), Values::new(mix.val()))));
    tensors
}

fn reference(identity: &ModelIdentity, directory: &Path) -> ModelReference {
    ModelReference {
        path: seen_from(directory, &absolute(&identity.path)),
        revision: identity.revision.clone(),
        licence: identity.licence.clone(),
    }
}

/// `path` as the files in `directory` name it: from there if it is in the same folder, so that the
/// folder can be moved as a whole, otherwise absolute.
fn seen_from(directory: &Path, path: &Path) -> PathBuf {
    let beside = directory.parent();
    let inner = beside.and_then(|parent| path.strip_prefix(parent).ok());
    match inner {
        Some(inner) => Path::new("..").join(inner),
        None => path.to_path_buf(),
    }
}

/// The absolute path, through no link: a run's folder may consist of links into a store, which
/// outlives it, and `..` leads out of where a link points. A file keeps its name, which says what it is.
fn absolute(path: &Path) -> PathBuf {
    let real = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if path.is_file() => {
            parent.canonicalize().map(|parent| parent.join(name))
        }
        _ => path.canonicalize(),
    };
    real.unwrap_or_else(|_| without_parents(path))
}

/// The absolute path of what may not exist, without `..` where there is something to leave.
fn without_parents(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
