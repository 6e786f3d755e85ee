//! Reading a model directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::Tensor;
use burn::module::Param;
use burn::tensor::{Device, TensorData};

use super::{
    ADAPTER, BackboneKind, DESCRIPTION_FILE, HEADS, ModelDirectory, ModelDirectoryError,
    ModelReference, PROJECTION, SHIFTS,
};
use crate::adapter_directory::AdapterFile;
use crate::backbone::{Backbone, BackboneNetwork};
use crate::checkpoint::{Checkpoint, CheckpointError, finite_tensor};
use crate::classifier::{Head, HeadKind};
use crate::encoders::EncoderModel;
use crate::huggingface::SafetensorsCheckpoint;
use crate::identity::ModelIdentity;
use crate::language_model::{LanguageModel, LoadError};
use crate::layers::{Linear, NamedLinears, Parts, WeightForm};
use crate::stacks::{LanguageShifts, StackNetwork};

/// The backbone of `directory`.
pub(super) fn backbone(
    directory: &ModelDirectory,
    device: &Device,
    form: WeightForm,
) -> Result<(Backbone, BackboneNetwork), ModelDirectoryError> {
    let description = directory.description();
    let settings = description.reading;
    let (backbone, network) = match description.kind {
        BackboneKind::Llm => {
            Backbone::of_llm(llm(directory, device, form, Parts::States)?, settings)
        }
        BackboneKind::Encoder => {
            let model = encoder(directory, device, WeightForm::Parameters)?;
            Backbone::of_encoder(model, settings)
        }
        BackboneKind::Stack => {
            // Nothing in it is trained.
            let packed = match form {
                WeightForm::Frozen(format) => WeightForm::Packed(format),
                form => form,
            };
            let encoder = encoder(directory, &device.clone().inner(), packed)?;
            let llm = llm(directory, device, form, Parts::States)?;
            let projection = Projection::read(directory, &encoder, &llm)?;
            let mixes = description.layer_mix;
            let layers = if mixes { encoder.shape().layers + 1 } else { 1 };
            let shifts = shifts(directory, [layers, encoder.shape().hidden_size])?;
            let (backbone, network) = Backbone::of_stack(encoder, llm, settings, mixes, 0);
            let network = match network {
                BackboneNetwork::Stack(stack) => BackboneNetwork::Stack(projection.into(stack)),
                other => other,
            };
            (backbone.with_shifts(shifts), network)
        }
    };
    // Those of an LLM are merged while it is read, unless they may be trained further.
    let merged = description.llm.is_some() && form != WeightForm::Parameters;
    let network = match adapter(directory)?.filter(|_| !merged) {
        None => network,
        Some(mut adapter) => {
            let adapted = network.with_adapters(|name, layer| adapter.attach(name, layer))?;
            adapter.finish()?;
            adapted
        }
    };
    let network = match description.kind {
        BackboneKind::Encoder => network.map_linears(|_, layer| layer.held_in(form)),
        _ => network,
    };
    Ok((backbone, network))
}

/// The LLM of `directory`; its adapter is merged unless `form` is parameters.
pub(super) fn llm(
    directory: &ModelDirectory,
    device: &Device,
    form: WeightForm,
    parts: Parts,
) -> Result<LanguageModel, ModelDirectoryError> {
    let Some(reference) = &directory.description.llm else {
        let file = directory.path().join(DESCRIPTION_FILE);
        let message = "the model has no LLM: it is an encoder alone".into();
        return Err(ModelDirectoryError::Description {
            path: file,
            message,
        });
    };
    let path = located(directory, "llm", reference, |path| {
        LanguageModel::identity_of(path)
    })?;
    let mut adapter = adapter(directory)?.filter(|_| form != WeightForm::Parameters);
    let hold = &mut |name: &str, layer: Linear| {
        // The LLM may be an adapter itself.
        let layer = layer.merged();
        let layer = match &mut adapter {
            Some(adapter) => adapter.attach(name, layer)?,
            None => layer,
        };
        Ok(layer.held_in(form))
    };
    let model = LanguageModel::load_mapped(&path, device, hold, parts)?;
    if let Some(adapter) = adapter {
        adapter.finish()?;
    }
    Ok(model)
}

/// The encoder of `directory` without an adapter.
fn encoder(
    directory: &ModelDirectory,
    device: &Device,
    form: WeightForm,
) -> Result<EncoderModel, ModelDirectoryError> {
    let Some(reference) = &directory.description.encoder else {
        unreachable!("a description of a backbone with an encoder names it");
    };
    let path = located(directory, "encoder", &reference.model, |path| {
        EncoderModel::identity_of(path)
    })?;
    let mut model = EncoderModel::load_as(&path, device, form)?;
    model.tokenizer = model.tokenizer.with_prefix(reference.prefix.as_str());
    Ok(model)
}

/// The adapter, if there is one, unless it belongs to another part.
fn adapter(directory: &ModelDirectory) -> Result<Option<AdapterFile>, ModelDirectoryError> {
    let path = directory.path().join(ADAPTER);
    let open = || AdapterFile::open(&path);
    Ok(directory.description.adapter.then(open).transpose()?)
}

/// Where the model that `reference` names is; fails unless it is the same revision.
fn located(
    directory: &ModelDirectory,
    key: &'static str,
    reference: &ModelReference,
    identity: impl Fn(&Path) -> Result<ModelIdentity, LoadError>,
) -> Result<PathBuf, ModelDirectoryError> {
    let file = directory.path().join(DESCRIPTION_FILE);
    let path = directory.path().join(&reference.path);
    if !path.exists() {
        let path = reference.path.clone();
        return Err(ModelDirectoryError::Moved { file, key, path });
    }
    let found = identity(&path)?.revision;
    if found != reference.revision {
        return Err(ModelDirectoryError::Revision {
            file,
            key,
            path,
            expected: reference.revision.clone(),
            found,
        });
    }
    Ok(path)
}

/// What stands between encoder and LLM.
struct Projection {
    weight: Tensor<2>,
    bias: Tensor<1>,
    layer_mix: Option<Tensor<1>>,
}

impl Projection {
    fn read(
        directory: &ModelDirectory,
        encoder: &EncoderModel,
        llm: &LanguageModel,
    ) -> Result<Self, ModelDirectoryError> {
        let path = directory.path().join(PROJECTION);
        let checkpoint = SafetensorsCheckpoint::open_files(&path, std::slice::from_ref(&path))?;
        let (source, target) = (encoder.shape().hidden_size, llm.config.hidden_size);
        let shape = checkpoint.shape("up_projection.weight");
        if let Some(&[found_target, found_source]) = shape
            && [found_source, found_target] != [source, target]
        {
            return Err(ModelDirectoryError::Width {
                projection: path,
                found: [found_source, found_target],
                encoder: encoder.identity.path.clone(),
                source_width: source,
                llm: llm.identity.path.clone(),
                target_width: target,
            });
        }
        let device = llm.network.device();
        let states = encoder.shape().layers + 1;
        let mix = || tensor(&checkpoint, "layer_mix", [states], &device);
        Ok(Self {
            weight: tensor(
                &checkpoint,
                "up_projection.weight",
                [target, source],
                &device,
            )?,
            bias: tensor(&checkpoint, "up_projection.bias", [target], &device)?,
            layer_mix: directory.description.layer_mix.then(mix).transpose()?,
        })
    }

    /// The stack with this projection.
    fn into(self, stack: StackNetwork) -> StackNetwork {
        let bias = Some(Param::from_tensor(self.bias));
        StackNetwork {
            up_projection: Linear::new(Param::from_tensor(self.weight), bias),
            layer_mix: self.layer_mix.map(Param::from_tensor),
            ..stack
        }
    }
}

/// What is added to the encoder's states [layers, C].
fn shifts(
    directory: &ModelDirectory,
    shape: [usize; 2],
) -> Result<LanguageShifts, ModelDirectoryError> {
    let languages = &directory.description.shifted;
    if languages.is_empty() {
        return Ok(LanguageShifts::default());
    }
    let path = directory.path().join(SHIFTS);
    let checkpoint = SafetensorsCheckpoint::open_files(&path, std::slice::from_ref(&path))?;
    let read = |code: &String| Ok((code.clone(), finite_tensor(&checkpoint, code, &shape)?));
    let read: Result<_, CheckpointError> = languages.iter().map(read).collect();
    Ok(LanguageShifts::of(read?))
}

/// The heads of `directory`, by task.
pub(super) fn heads(
    directory: &ModelDirectory,
    device: &Device,
) -> Result<BTreeMap<String, Head>, ModelDirectoryError> {
    let path = directory.path().join(HEADS);
    let checkpoint = SafetensorsCheckpoint::open_files(&path, std::slice::from_ref(&path))?;
    let tasks = directory.description.tasks.iter();
    let heads = tasks.map(|(task, description)| {
        let name = format!("{task}.weight");
        let width = match checkpoint.shape(&name) {
            Some(&[_, width]) => width,
            _ => 0,
        };
        let rows = match description.kind {
            HeadKind::Choices => 1,
            _ => description.labels.len(),
        };
        let values = finite_tensor(&checkpoint, &name, &[rows, width])?;
        let (kind, labels) = (description.kind, description.labels.clone());
        let head = Head::from_values(values, [rows, width], kind, labels, device);
        Ok((task.clone(), head))
    });
    heads.collect()
}

fn tensor<const D: usize>(
    checkpoint: &dyn Checkpoint,
    name: &str,
    shape: [usize; D],
    device: &Device,
) -> Result<Tensor<D>, CheckpointError> {
    let values = finite_tensor(checkpoint, name, &shape)?;
    Ok(Tensor::from_data(TensorData::new(values, shape), device))
}
