//! The number format that a model is stored in, so that it is written as it was.

use std::path::Path;

use super::StoredFormat;
use crate::adapter_directory::base_of_adapter;
use crate::gguf::{BlockFormat, Gguf};
use crate::language_model::LoadError;

/// The format in which the model at `path`, or the base model of the adapter there, is to be
/// written again: half precision if it was stored in that or fewer bits, otherwise single
/// precision.
pub fn stored_format(path: &Path) -> Result<StoredFormat, LoadError> {
    let mut path = path.to_path_buf();
    // Adapters on adapters end somewhere: a base that does not exist is an error.
    for _ in 0..16 {
        match base_of_adapter(&path)? {
            Some(base) => path = base,
            None => break,
        }
    }
    if path
        .extension()
        .is_some_and(|extension| extension == "gguf")
    {
        let file = Gguf::open(&path)?;
        let table = file.tensors().get("token_embd.weight");
        return Ok(match table.map(|table| table.format) {
            Some(BlockFormat::F32) | None => StoredFormat::F32,
            Some(BlockFormat::BF16) => StoredFormat::BF16,
            Some(_) => StoredFormat::F16,
        });
    }
    let config = crate::huggingface::read_json(&path.join("config.json"))?.unwrap_or_default();
    let key = ["dtype", "torch_dtype"]
        .iter()
        .find_map(|key| config[*key].as_str());
    Ok(match key {
        Some("float16") => StoredFormat::F16,
        Some("bfloat16") => StoredFormat::BF16,
        _ => StoredFormat::F32,
    })
}
