//! Centres the stack: the part of the encoder's states that only says which language a text is in is
//! taken off.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use artefacts::Provenance;
use corpus::language::Language;
use corpus::source::plain_text::{TextOptions, TextSource, documents};
use models::text_input::passes;
use models::{
    Backbone, Classifier, EncodedText, LanguageShifts, MeanStates, ModelDirectory, SaveOptions,
    TextInput, WeightForm,
};
use serde_json::json;
use training::llm_tokens::text_key;

use super::distill;
use crate::checks::Checks;
use crate::mt_llm::MODEL;
use crate::mt_llm::config::Config;
use crate::run::Run;
use crate::stage_record::{self, RecordedStage};
use crate::tasks;

/// Name of the stage.
pub const NAME: &str = "centre";

/// Documents read per language: a mean state does not get better with more.
const LIMIT: u64 = 2000;

/// Documents below which a mean is mostly about what they say.
const FEW: usize = 100;

/// Maximum number of tokens in a pass through the encoder.
const TOKENS_PER_PASS: usize = 2048;

/// The stage.
pub struct Centre;

impl RecordedStage<Config> for Centre {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "remove from the encoder's states what only tells languages apart (optional)"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[distill::NAME]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let files = &run.config.centring;
        if files.is_empty() {
            return Ok(());
        }
        let known = run.marked_languages();
        let told = tasks::encoder_knows("centring", files.keys().copied(), known.as_deref());
        let counted = told.and_then(|()| files.iter().map(counted).collect::<Result<Vec<_>>>());
        let few = counted.as_ref().map(|counts| {
            let few = counts.iter().filter(|(_, count)| *count < FEW);
            few.map(|(code, count)| format!("{count} in {code}"))
                .collect::<Vec<_>>()
        });
        let few = few.unwrap_or_default();
        let found = counted.map(|counts| format!("text in {} languages", counts.len()));
        checks.add("centring", found)?;
        if few.is_empty() {
            return Ok(());
        }
        let few = few.join(", ");
        let warning = format!("few documents ({few}): means of the encoder's states need hundreds");
        checks.warn("centring", &warning)
    }

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let files = &run.config.centring;
        let mut inputs = BTreeMap::new();
        if !files.is_empty() {
            inputs = stage_record::inputs(run, &[distill::NAME])?;
        }
        for (language, source) in files {
            let key = text_key(std::slice::from_ref(source))?;
            inputs.insert(language.code().to_owned(), key.to_string());
        }
        Ok(Provenance {
            stage: NAME.to_owned(),
            version: 1,
            parameters: json!({ "source": run.config.text.language }),
            engines: Vec::new(),
            inputs,
        })
    }

    fn make(&self, run: &Run<'_, Config>, folder: &Path) -> Result<String> {
        let files = &run.config.centring;
        if files.is_empty() {
            return Ok("off: name text in each language under [centring]".to_owned());
        }
        let directory = ModelDirectory::open(run.folder(MODEL))?;
        let device = run.config.device.open()?;
        let Classifier {
            backbone,
            network,
            heads,
        } = directory.classifier(&device, WeightForm::Parameters)?;
        let mut means = BTreeMap::new();
        for (language, source) in files {
            let mean = mean(run, &backbone, *language, source)?;
            means.insert(language.code().to_owned(), mean);
        }
        let code = run.config.text.language.code();
        let source = means.remove(code).unwrap_or_default();
        let shifts = LanguageShifts::between(&source, &means);
        let centred = Classifier {
            backbone: backbone.with_shifts(shifts),
            network,
            heads,
        };
        let options = SaveOptions {
            card: tasks::card(&run.config.tasks),
            whole_model: false,
        };
        centred.save(&folder.join(MODEL), &options)?;
        Ok(format!("{} languages", means.len()))
    }
}

/// The language's code and the number of documents read.
fn counted((language, source): (&Language, &TextSource)) -> Result<(&'static str, usize)> {
    let code = language.code();
    let mut count = 0;
    for document in documents(std::slice::from_ref(source), &options())? {
        document.with_context(|| format!("centring.{code}"))?;
        count += 1;
    }
    ensure!(count > 0, "centring.{code}: the file holds no text");
    Ok((code, count))
}

/// The mean of the encoder's states over a text.
fn mean(
    run: &Run<'_, Config>,
    stack: &Backbone,
    language: Language,
    source: &TextSource,
) -> Result<MeanStates> {
    let code = language.code();
    let encode = |text: Result<String, _>| -> Result<EncodedText> {
        let text: String = text?;
        Ok(stack.encode(&TextInput::Single(&text), Some(code))?)
    };
    let texts = documents(std::slice::from_ref(source), &options())?;
    let texts: Vec<EncodedText> = texts.map(encode).collect::<Result<_>>()?;
    if texts.is_empty() {
        bail!("centring.{code}: the file holds no text");
    }
    run.progress
        .begin(&format!("centre {code}"), Some(texts.len() as u64));
    let mut mean = MeanStates::default();
    for pass in passes(&texts, TOKENS_PER_PASS, EncodedText::tokens) {
        let texts: Vec<&EncodedText> = pass.iter().collect();
        let states = stack.source_states(&texts);
        mean.add(states.context("a stack has an encoder")?);
        run.progress.advance(pass.len() as u64);
    }
    run.progress.end();
    Ok(mean)
}

fn options() -> TextOptions {
    TextOptions {
        limit: Some(LIMIT),
        ..TextOptions::default()
    }
}
