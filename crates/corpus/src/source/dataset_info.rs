//! `dataset_info.json`, LLaMA-Factory's description of the data files beside it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::SourceError;
use super::format::Columns;

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
    tags: BTreeMap<String, String>,
}

/// The columns that a `dataset_info.json` beside the data file `path` gives it. The file of that name
/// that Hugging Face's `datasets` writes describes other things and is passed over.
pub(super) fn columns_of(path: &Path) -> Result<Option<Columns>, SourceError> {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else {
        return Ok(None);
    };
    let info = folder.join(FILE_NAME);
    let text = match std::fs::read_to_string(&info) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SourceError::io(&info)(error)),
    };
    let fault = |error: serde_json::Error| SourceError::DatasetInfo {
        path: info.clone(),
        message: error.to_string(),
    };
    let value: Value = serde_json::from_str(&text).map_err(fault)?;
    let is_entry = |entry: &Value| {
        let keys = [
            "file_name",
            "hf_hub_url",
            "ms_hub_url",
            "script_url",
            "cloud_file_name",
        ];
        keys.iter().any(|key| entry.get(key).is_some())
    };
    if !value
        .as_object()
        .is_some_and(|sets| sets.values().any(is_entry))
    {
        return Ok(None);
    }
    let entries: BTreeMap<String, Entry> = serde_json::from_value(value).map_err(fault)?;
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
    // LLaMA-Factory's defaults.
    let (flat, turns, tags) = match entry.formatting.as_deref() {
        None | Some("alpaca") => (true, None, ["", ""]),
        Some("sharegpt") => (false, Some("conversations"), ["from", "value"]),
        Some("openai") => (false, Some("messages"), ["role", "content"]),
        Some(other) => {
            return Err(refused(format!(
                "formatting \"{other}\" is not alpaca, sharegpt or openai"
            )));
        }
    };
    let column = |name: &str, usual: Option<&str>| {
        entry
            .columns
            .get(name)
            .cloned()
            .or(usual.map(str::to_owned))
    };
    let tag = |name: &str, usual: &str| {
        let usual = Some(usual.to_owned()).filter(|usual| !usual.is_empty());
        entry.tags.get(name).cloned().or(usual)
    };
    Ok(Some(Columns {
        prompt: column("prompt", flat.then_some("instruction")),
        query: column("query", flat.then_some("input")),
        response: column("response", flat.then_some("output")),
        messages: column("messages", turns),
        history: column("history", flat.then_some("history")),
        system: column("system", Some("system")),
        role: tag("role_tag", tags[0]),
        content: tag("content_tag", tags[1]),
        user: tag("user_tag", ""),
        assistant: tag("assistant_tag", ""),
    }))
}
