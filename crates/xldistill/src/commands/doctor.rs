//! `xldistill doctor`: is everything there that a run needs?

use std::path::Path;

use anyhow::{Error, Result, bail};
use burn::tensor::Device;
use corpus::{
    language::Language,
    seam::Translator,
    source::{self, LoadOptions},
};
use models::{LanguageModel, WeightForm};

use crate::{config::Config, pipeline, wiring};

/// Prints one line per check, and fails if any check did.
pub fn run(config: Option<&Path>) -> Result<()> {
    let mut failed = 0;
    let mut check = |what: &str, outcome: Result<String>| match outcome {
        Ok(detail) => println!("ok      {what}: {detail}"),
        Err(error) => {
            failed += 1;
            println!("FAILED  {what}: {error:#}");
        }
    };
    check("processor", Ok(processor()));
    if let Some(path) = config {
        let config = Config::read(path, &[])?;
        let device = config.device.open().map(|_| config.device.to_string());
        check("device", device.map_err(Into::into));
        check(
            "memory",
            pipeline::memory(&config).and_then(|memory| memory.map_err(Error::msg)),
        );
        check("model", model(&config));
        check("instructions", instructions(&config));
        check("translation", translation(&config));
        check(
            "translation back",
            wiring::reverse_translator(&config).map(|back| match back {
                Some(back) => back.identity().engine,
                None => "none named".to_owned(),
            }),
        );
        check("language identification", identification(&config));
        check(
            "quality estimator",
            wiring::estimator(&config).map(|estimator| match estimator {
                Some(estimator) => {
                    let identity = estimator.identity();
                    format!("{}, {}", identity.engine, identity.parameters)
                }
                None => "none".to_owned(),
            }),
        );
        for (language, pairs) in &config.data.parallel {
            let pairs = source::parallel(pairs, config.source, *language);
            let pairs = pairs.map(|pairs| format!("{} pairs", pairs.pairs.len()));
            check(
                &format!("parallel text in {language}"),
                pairs.map_err(Into::into),
            );
        }
        for (language, path) in config
            .evaluate
            .questions
            .iter()
            .chain(&config.evaluate.pairs)
        {
            let found = match path.is_file() {
                true => Ok(path.display().to_string()),
                false => Err(anyhow::anyhow!("{} is not there", path.display())),
            };
            check(&format!("evaluation material in {language}"), found);
        }
        check("output folder", output(&config));
    }
    if failed > 0 {
        bail!("{failed} of the checks failed");
    }
    Ok(())
}

fn processor() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut features = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("AVX2", is_x86_feature_detected!("avx2")),
            ("FMA", is_x86_feature_detected!("fma")),
            ("AVX-512", is_x86_feature_detected!("avx512f")),
            ("AVX-512 BF16", is_x86_feature_detected!("avx512bf16")),
            ("AVX-512 VNNI", is_x86_feature_detected!("avx512vnni")),
        ];
        features.extend(
            known
                .iter()
                .filter(|(_, found)| *found)
                .map(|(name, _)| *name),
        );
    }
    if features.is_empty() {
        features.push("portable kernels");
    }
    format!("{threads} threads, {}", features.join(", "))
}

fn model(config: &Config) -> Result<String> {
    // In the form in which it answers: all of its weights are read, and no more held than then.
    let form = WeightForm::Packed(config.answer.precision.into());
    let model = LanguageModel::load_as(&config.model, &Device::flex(), form)?;
    let Some(template) = &model.chat_template else {
        bail!(
            "{} has no chat template: it cannot answer instructions",
            config.model.display()
        );
    };
    template.answer_frame(
        &model.tokenizer,
        &[models::chat_template::Message::user("?")],
    )?;
    Ok(format!(
        "{}, {} layers, vocabulary of {}, licence {}",
        model.identity.path.display(),
        model.config.num_hidden_layers,
        model.config.vocab_size,
        model.identity.licence.as_deref().unwrap_or("unknown")
    ))
}

fn instructions(config: &Config) -> Result<String> {
    let (mut rows, mut rejected) = (0, 0);
    for path in &config.data.instructions {
        let loaded = source::load(path, &LoadOptions::default())?;
        rows += loaded.instructions.len();
        rejected += loaded.rejected.len();
    }
    Ok(format!("{rows} rows, {rejected} malformed"))
}

fn identification(config: &Config) -> Result<String> {
    let identifier = wiring::identifier(config)?;
    let known = Language::all().filter(|l| identifier.knows(*l)).count();
    let unknown: Vec<&str> = std::iter::once(config.source)
        .chain(config.targets.iter().copied())
        .filter(|language| !identifier.knows(*language))
        .map(Language::code)
        .collect();
    let name = config.identify.engine.name();
    Ok(match unknown.is_empty() {
        true => format!("{name}, {known} languages of FLORES-200"),
        false => format!(
            "{name}, {known} languages of FLORES-200, but not {}: its word says nothing there",
            unknown.join(", ")
        ),
    })
}

/// Has a word translated into every target, so that a server that does not answer is known now.
fn translation(config: &Config) -> Result<String> {
    let translator = wiring::translator(config)?;
    let mut said = Vec::new();
    for &target in &config.targets {
        let translations = translator.translate(&["Hello".to_owned()], config.source, target)?;
        said.push(format!("{target}: {:?}", translations.concat()));
    }
    let engine = translator.identity().engine;
    Ok(format!("{engine} says Hello in {}", said.join(", ")))
}

fn output(config: &Config) -> Result<String> {
    let mut existing = config.output.as_path();
    while !existing.exists() {
        existing = match existing.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
    }
    tempfile::tempfile_in(existing)?;
    Ok(format!("{} can be written", config.output.display()))
}
