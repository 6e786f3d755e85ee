//! Stage 1: the LLM learns to read the encoder.

use std::path::Path;

use anyhow::{Error, Result, ensure};
use artefacts::Provenance;
use models::encoders::EncoderModel;
use models::{LanguageModel, WeightForm};
use serde_json::json;
use training::general_adaptation::{self, AdaptationText, RetrievalFiles};
use training::llm_tokens::text_key;

use super::llm2vec::{self, losses};
use crate::adapter_keys;
use crate::checks::Checks;
use crate::mt_llm::config::Config;
use crate::run::Run;
use crate::stage_record::{self, RecordedStage};
use crate::tasks;

/// Name of the stage.
pub const NAME: &str = "adapt";

/// The stage.
pub struct Adapt;

impl RecordedStage<Config> for Adapt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "teach the LLM to read the encoder's states, with plain text (stage 1)"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[llm2vec::NAME]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let Config {
            encoder,
            adapt,
            device,
            ..
        } = run.config;
        let found = encoder.path.check().map_err(Error::msg).and_then(|()| {
            let shape = EncoderModel::shape_of(&encoder.path)?;
            Ok(format!(
                "{} layers of width {}",
                shape.layers, shape.hidden_size
            ))
        });
        checks.add("encoder", found)?;
        let opened = device.open().map_err(Error::from);
        let trains = opened.and_then(|opened| {
            let training = &adapt.training;
            training.validate_on("adapt.training", &opened.autodiff())?;
            Ok(device.to_string())
        });
        checks.add("device for adapt", trains)?;
        if run.config.adapted {
            let llm = run.published_llm();
            let adapters = adapter_keys::check_training("adapt.training", &adapt.training, &llm);
            checks.add("adapters for adapt", adapters)?;
        }
        let (text, retrieval) = (run.config.text.language, &run.config.retrieval);
        let known = run.marked_languages();
        let told = tasks::encoder_knows("text.language", [text], known.as_deref());
        let told = told.and_then(|()| {
            tasks::encoder_knows("retrieval", retrieval.keys().copied(), known.as_deref())
        });
        checks.add("retrieval", told.and_then(|()| sentences(run)))
    }

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let Config {
            adapt,
            encoder,
            reading,
            text,
            adapted,
            ..
        } = run.config;
        let mut inputs = stage_record::inputs(run, &[llm2vec::NAME])?;
        inputs.insert("encoder".to_owned(), run.encoder_revision()?);
        let parameters = match adapted {
            true => {
                inputs.insert("text".to_owned(), text_key(&text.files)?.to_string());
                json!({
                    "adapt": adapt.deciding(),
                    "prefix": encoder.prefix,
                    "reading": reading,
                    "text": text.options(),
                    "language": text.language,
                })
            }
            false => json!({ "adapted": false }),
        };
        Ok(Provenance {
            stage: NAME.to_owned(),
            version: 2,
            parameters,
            engines: Vec::new(),
            inputs,
        })
    }

    fn make(&self, run: &Run<'_, Config>, folder: &Path) -> Result<String> {
        let Config {
            adapt,
            device,
            reading,
            text,
            adapted,
            ..
        } = run.config;
        if !adapted {
            return Ok("off: the projection starts at random".to_owned());
        }
        let device = device.open()?;
        let encoder = run.encoder(&device, WeightForm::Packed(adapt.training.precision))?;
        let llm = LanguageModel::load_states(run.llm(), &device, adapt.training.weight_form())?;
        let (options, retrieval) = (text.options(), run.retrieval());
        let text = AdaptationText {
            sources: &text.files,
            options: &options,
            language: text.language.code(),
            retrieval: retrieval.as_ref(),
        };
        let summary = general_adaptation::general_adaptation(
            encoder,
            llm,
            *reading,
            text,
            adapt,
            folder,
            run.progress,
        )?;
        Ok(losses(&summary))
    }
}

/// Reads the sentences of `[retrieval]`, of which all files need the same number.
fn sentences(run: &Run<'_, Config>) -> Result<String> {
    let mut expected: Option<(usize, String)> = None;
    for file in run.config.retrieval.values() {
        let found = RetrievalFiles::sentences(file)?.len();
        let (count, first) = expected.get_or_insert_with(|| (found, file.to_string()));
        ensure!(
            found == *count,
            "{file} has {found} lines, but {first} has {count}; line N of each file is to be the \
             same sentence"
        );
    }
    Ok(match expected {
        Some((count, _)) => format!(
            "{count} sentences in {} languages",
            run.config.retrieval.len()
        ),
        None => "not measured".to_owned(),
    })
}
