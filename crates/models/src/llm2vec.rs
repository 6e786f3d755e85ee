//! LLM2Vec (BehnamGhader et al. 2024, arXiv 2404.05961): an LLM made an encoder of text by two
//! adapters, one of masked next-token prediction and, on the model merged with it, one of
//! contrastive learning. Published ones are merged into their base model here.

use std::path::Path;

use burn::tensor::Device;

use crate::adapter_directory::AdapterFile;
use crate::identity;
use crate::language_model::{LanguageModel, LoadError};
use crate::layers::{Linear, Parts};

/// The model at `base` with the PEFT adapters in these directories merged into it, one after
/// another; the base models that they name are ignored. [`crate::export::save_huggingface`] writes
/// the result.
///
/// LLM2Vec's order is masked next-token prediction, then contrastive learning. Sums of low-rank
/// products do not depend on their order, except for rounding; the identity of the result does.
///
/// # Errors
/// If an adapter has matrices that no layer of the model takes.
pub fn merge_adapters(
    base: &Path,
    adapters: &[&Path],
    device: &Device,
) -> Result<LanguageModel, LoadError> {
    let opened = adapters
        .iter()
        .map(|directory| AdapterFile::open(directory));
    let mut opened = opened.collect::<Result<Vec<AdapterFile>, _>>()?;
    let attach = &mut |name: &str, layer: Linear| {
        let mut layer = layer.merged();
        for adapter in &mut opened {
            layer = adapter.attach(name, layer)?.merged();
        }
        Ok(layer)
    };
    let mut model = LanguageModel::load_mapped(base, device, attach, Parts::Whole)?;
    for (adapter, directory) in opened.into_iter().zip(adapters) {
        adapter.finish()?;
        model.identity = identity::with_adapter(&model.identity, directory)?;
    }
    Ok(model)
}

/// The revision of the PEFT adapter at `directory`: a hash of its weights and settings.
///
/// # Errors
/// If it cannot be opened as an adapter. Whether its matrices fit a model shows in [`merge_adapters`].
pub fn adapter_revision(directory: &Path) -> Result<String, LoadError> {
    AdapterFile::open(directory)?;
    Ok(identity::adapter_revision(directory)?)
}
