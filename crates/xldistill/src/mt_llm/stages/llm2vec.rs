//! Makes a text encoder of the LLM.

use std::fmt::Write;
use std::path::Path;
use std::slice;

use anyhow::{Error, Result, ensure};
use artefacts::Provenance;
use artefacts::training::TrainSummary;
use corpus::source::plain_text::documents;
use models::export::save_huggingface;
use models::llm2vec::{adapter_revision, merge_adapters};
use models::{LanguageModel, WeightForm};
use serde_json::json;
use training::llm_adapters::MERGED;
use training::llm_tokens::{llm_tokens, text_key};
use training::token_file::TokenFile;
use training::{mntp, simcse};

use crate::adapter_keys;
use crate::checks::Checks;
use crate::mt_llm::config::Config;
use crate::run::Run;
use crate::stage_record::RecordedStage;

/// Name of the stage.
pub const NAME: &str = "llm2vec";
/// Name of the folder of the LLM with published adapters.
pub const MERGED_ADAPTERS: &str = "merged";
/// Name of the folder of contrastive learning.
pub const SIMCSE: &str = "simcse";

const MNTP: &str = "mntp";
const TOKENS: &str = "tokens";

/// The stage.
pub struct MakeLlm2Vec;

impl RecordedStage<Config> for MakeLlm2Vec {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "turn the LLM into a text encoder (LLM2Vec)"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let Config {
            llm2vec,
            model,
            device,
            text,
            ..
        } = run.config;
        let opened = device.open().map_err(Error::from).and_then(|opened| {
            let (mntp, simcse) = (&llm2vec.mntp.training, &llm2vec.simcse.training);
            let opened = opened.autodiff();
            mntp.validate_on("llm2vec.mntp.training", &opened)?;
            simcse.validate_on("llm2vec.simcse.training", &opened)?;
            Ok(device.to_string())
        });
        checks.add("device", opened)?;
        let described = model.check().map_err(Error::msg);
        let described = described.and_then(|()| run.published_llm().describe());
        checks.add("model", described)?;
        if llm2vec.enabled && llm2vec.merge.is_empty() {
            let llm = run.published_llm();
            let (mntp, simcse) = (&llm2vec.mntp.training, &llm2vec.simcse.training);
            let adapters = adapter_keys::check_training("llm2vec.mntp.training", mntp, &llm);
            checks.add("adapters for mntp", adapters)?;
            let adapters = adapter_keys::check_training("llm2vec.simcse.training", simcse, &llm);
            checks.add("adapters for simcse", adapters)?;
            checks.add("mask token", mask_token(run))?;
        }
        for adapter in &llm2vec.merge {
            let found = adapter.check().map_err(Error::msg).and_then(|()| {
                adapter_revision(adapter)?;
                Ok(adapter.display().to_string())
            });
            checks.add("llm2vec.merge", found)?;
        }
        let first = || {
            let mut files = 0;
            let mut found = false;
            for source in &text.files {
                files += source.files()?.len();
                let mut documents = documents(slice::from_ref(source), &text.options())?;
                found |= documents.next().transpose()?.is_some();
            }
            ensure!(found, "text.files: the files hold no document");
            Ok(match files {
                1 => "1 file".to_owned(),
                files => format!("{files} files"),
            })
        };
        checks.add("text", first())
    }

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let Config { llm2vec, text, .. } = run.config;
        let (mntp, simcse) = (&llm2vec.mntp, &llm2vec.simcse);
        let mut inputs = vec![("model".to_owned(), run.llm_revision()?)];
        let parameters = if !llm2vec.enabled {
            json!({ "enabled": false })
        } else if !llm2vec.merge.is_empty() {
            for (number, adapter) in llm2vec.merge.iter().enumerate() {
                let revision = adapter_revision(adapter)?;
                inputs.push((format!("adapter {}", number + 1), revision));
            }
            json!({ "merge": llm2vec.merge.len(), "formats": [simcse.export_precision] })
        } else {
            inputs.push(("text".to_owned(), text_key(&text.files)?.to_string()));
            json!({
                "mntp": mntp.deciding(),
                "simcse": simcse.deciding(),
                "text": text.options(),
                "formats": [mntp.export_precision, simcse.export_precision],
            })
        };
        Ok(Provenance {
            stage: NAME.to_owned(),
            version: 2,
            parameters,
            engines: Vec::new(),
            inputs: inputs.into_iter().collect(),
        })
    }

    fn make(&self, run: &Run<'_, Config>, folder: &Path) -> Result<String> {
        let config = &run.config.llm2vec;
        if !config.enabled {
            return Ok("off: the LLM is taken as it is".to_owned());
        }
        match config.merge.is_empty() {
            true => train(run, folder),
            false => merge(run, folder),
        }
    }
}

/// Checks that the LLM has the mask token, of which training would learn only when it has read all of
/// the text.
fn mask_token(run: &Run<'_, Config>) -> Result<String> {
    let Config { llm2vec, model, .. } = run.config;
    if run.published_llm().is_missing() {
        // The model's own check says so.
        return Ok("not checked, since the model is missing".to_owned());
    }
    let id = llm2vec.mntp.mask_id(&LanguageModel::tokenizer_of(model)?)?;
    Ok(format!("{:?}, id {id}", llm2vec.mntp.mask_token))
}

/// Merges published adapters into the LLM.
fn merge(run: &Run<'_, Config>, folder: &Path) -> Result<String> {
    let config = &run.config.llm2vec;
    let adapters: Vec<&Path> = config.merge.iter().map(|adapter| &**adapter).collect();
    let device = run.config.device.open()?;
    let model = merge_adapters(&run.config.model, &adapters, &device)?;
    let format = config.simcse.export_precision;
    save_huggingface(&model, &folder.join(MERGED_ADAPTERS), format)?;
    Ok(format!("{} adapters merged", adapters.len()))
}

/// Trains adapters: masked next-token prediction, then contrastive learning on the result.
fn train(run: &Run<'_, Config>, folder: &Path) -> Result<String> {
    let (mntp, simcse) = (&run.config.llm2vec.mntp, &run.config.llm2vec.simcse);
    let (first, second) = (folder.join(MNTP), folder.join(SIMCSE));
    let model = load(run, &run.config.model, mntp.training.weight_form())?;
    let tokens = tokens(run, &model, mntp.max_length, &first.join(TOKENS))?;
    let predicted = mntp::mntp(model, &tokens, mntp, &first, run.progress)?;
    let model = load(run, &first.join(MERGED), simcse.training.weight_form())?;
    let tokens = self::tokens(run, &model, simcse.max_length, &second.join(TOKENS))?;
    let contrasted = simcse::simcse(model, &tokens, simcse, &second, run.progress)?;
    let mut summary = String::new();
    for (name, trained) in [(MNTP, predicted), (SIMCSE, contrasted)] {
        let separator = if summary.is_empty() { "" } else { "; " };
        write!(summary, "{separator}{name}: {}", losses(&trained))?;
    }
    Ok(summary)
}

fn load(run: &Run<'_, Config>, path: &Path, form: WeightForm) -> Result<LanguageModel> {
    let device = run.config.device.open()?.autodiff();
    Ok(LanguageModel::load_as(path, &device, form)?)
}

fn tokens(
    run: &Run<'_, Config>,
    model: &LanguageModel,
    max_length: usize,
    folder: &Path,
) -> Result<TokenFile<1>> {
    let Config { text, .. } = run.config;
    let options = text.options();
    Ok(llm_tokens(
        model,
        &text.files,
        &options,
        max_length,
        folder,
        run.progress,
    )?)
}

/// Steps and held-out losses of a training.
pub fn losses(summary: &TrainSummary) -> String {
    let loss = |held_out: &Option<artefacts::training::HeldOutLoss>| {
        held_out.as_ref().map_or(f64::NAN, |held_out| held_out.loss)
    };
    format!(
        "{} steps, held-out loss {:.4} → {:.4}",
        summary.steps,
        loss(&summary.before),
        loss(&summary.after)
    )
}
