//! Plain text as tokens of an LLM.

use std::path::Path;

use artefacts::{Key, Provenance};
use corpus::progress::Progress;
use corpus::source::Kind;
use corpus::source::plain_text::{TextOptions, TextSource, documents};
use models::LanguageModel;
use serde_json::json;

use crate::token_file::{TokenFile, TokenFileError, Tokens};

/// Raised whenever a code change affects the tokens.
const VERSION: u32 = 1;

/// The tokens of each document of `text` as the tokenizer of `model` gives them for a plain text
/// (with BOS, if it adds one), at most `max_length`; made in `folder` unless they are there.
pub fn llm_tokens(
    model: &LanguageModel,
    text: &[TextSource],
    options: &TextOptions,
    max_length: usize,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<TokenFile<1>, TokenFileError> {
    let positions = model.network.config().longest_sequence();
    let limit = max_length.min(positions.unwrap_or(usize::MAX));
    let provenance = llm_tokens_provenance(&model.identity.revision, text, options, limit)?;
    let tokenizer = &model.tokenizer;
    let encode = |text: &str| {
        let ids = tokenizer.encode_plain(text)?;
        Ok::<_, models::tokenizer::TokenizerError>([Tokens::up_to(ids, limit)])
    };
    let tokens = TokenFile::make(
        folder,
        ["tokens"],
        documents(text, options)?,
        encode,
        provenance,
        progress,
    )?;
    for note in tokens.counts().notes(limit) {
        progress.note(&note);
    }
    Ok(tokens)
}

/// Everything that determines the tokens: the content of the files, the model of this `revision`,
/// and the limit of a document's length.
pub fn llm_tokens_provenance(
    revision: &str,
    text: &[TextSource],
    options: &TextOptions,
    limit: usize,
) -> Result<Provenance, TokenFileError> {
    let inputs = [
        ("text", text_key(text)?.to_string()),
        ("model", revision.to_owned()),
    ];
    Ok(Provenance {
        stage: "tokens".to_owned(),
        version: VERSION,
        parameters: json!({ "max_length": limit, "options": options }),
        engines: Vec::new(),
        inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
    })
}

/// The key of the content of these files and of how they are read: the name of a file decides its
/// kind, e.g. whether a line is a document or a JSON object.
pub fn text_key(text: &[TextSource]) -> Result<Key, TokenFileError> {
    let mut content = Vec::new();
    for source in text {
        let mut files = Vec::new();
        for file in source.files()? {
            files.push((Kind::of(&file), artefacts::hash_file(&file)?));
        }
        let fields = match source {
            TextSource::Files(_) => None,
            TextSource::Fields { fields, .. } => Some(fields),
        };
        content.push((files, fields));
    }
    Ok(Key::of(&content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_read_in_another_way_is_another_text() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "{\"text\": \"One document.\"}\n").unwrap();
            text_key(&[TextSource::Files(path.into())]).unwrap()
        };
        let (lines, objects) = (key("a.txt"), key("a.jsonl"));
        assert_ne!(lines, objects);
        assert_eq!(key("b.txt"), lines);
        assert_eq!(key("b.jsonl.gz"), objects);
    }
}
