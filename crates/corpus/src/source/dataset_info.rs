//! `dataset_info.json`, LLaMA-Factory's description of the data files beside it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::SourceError;
use super::format::{Columns, Format, Layout, Tags};

/// The name of the file.
pub(super) const FILE_NAME: &str = "dataset_info.json";

/// One data set of the file; keys that do not concern the layout are passed over.
#[derive(Deserialize)]
struct Entry {
    file_name: Option<String>,
    /// `alpaca` by default.
    formatting: Option<String>,
    #[serde(default)]
    ranking: bool,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    #[serde(default)]
    tags: Tags,
}

/// The layout that a `dataset_info.json` beside the data file `path` gives it.
pub(super) fn layout_of(path: &Path) -> Result<Option<Layout>, SourceError> {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else {
        return Ok(None);
    };
    let info = folder.join(FILE_NAME);
    let text = match std::fs::read_to_string(&info) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SourceError::io(&info)(error)),
    };
    let entries: BTreeMap<String, Entry> =
        serde_json::from_str(&text).map_err(|error| SourceError::DatasetInfo {
            path: info.clone(),
            message: error.to_string(),
        })?;
    let found = entries
        .iter()
        .find(|(_, entry)| entry.file_name.as_deref().map(str::as_ref) == Some(name));
    let Some((data_set, entry)) = found else {
        return Ok(None);
    };
    let refused = |why: String| {
        let message = format!("data set \"{data_set}\": {why}");
        SourceError::DatasetInfo {
            path: info.clone(),
            message,
        }
    };
    if entry.ranking {
        return Err(refused("has preferences (\"ranking\"), not answers".into()));
    }
    let column = |name: &str| entry.columns.get(name).cloned();
    let columns = Columns {
        prompt: column("prompt"),
        query: column("query"),
        response: column("response"),
        messages: column("messages"),
        history: column("history"),
        system: column("system"),
    };
    let format = match entry.formatting.as_deref() {
        None | Some("alpaca") => Format::Alpaca,
        Some("sharegpt") => Format::Sharegpt,
        Some("openai") => Format::Messages,
        Some(other) => {
            return Err(refused(format!(
                "formatting \"{other}\" is not alpaca, sharegpt or openai"
            )));
        }
    };
    Ok(Some(Layout::new(format, columns, entry.tags.clone())))
}
