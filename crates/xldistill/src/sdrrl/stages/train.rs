//! Fine-tunes the LLM on the transfer set.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use artefacts::{Key, Provenance};
use corpus::record::Example;
use corpus::seam::LanguageIdentifier;
use models::{ComputeDevice, LanguageModel};
use training::fine_tune::{self, Method, Places, WrittenMeasure, memory};
use training::run::{require_same_run, trained_from};
use training::states::States;

use super::mix;
use crate::adapter_keys;
use crate::backbone_source::BackboneSource;
use crate::checks::Checks;
use crate::disk;
use crate::kept_training::Trained;
use crate::run::Run;
use crate::sdrrl::MODEL;
use crate::sdrrl::config::Config;
use crate::sdrrl::model_card;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "train";

/// Name of the folder of the teacher's distributions, if there are distilled examples.
const TEACHER: &str = "teacher";

/// The stage.
pub struct Train;

impl Stage<Config> for Train {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "fine-tune the LLM on the transfer set"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[mix::NAME]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let device = run.config.device;
        let opened = device.open().map_err(Error::from).and_then(|opened| {
            run.config.train.validate_on(&opened.autodiff())?;
            Ok(device.to_string())
        });
        checks.add("device", opened)?;
        let model = run.config.model.check().map_err(Error::msg);
        let shape = model.and_then(|()| match (memory_needed(run.config)?, checks.thorough) {
            (Err(warning), true) => Err(Error::msg(warning)),
            // A run warns when training begins: until then, memory may become free.
            (Err(warning), false) => Ok(warning),
            (Ok(needed), _) => Ok(needed),
        });
        checks.add("memory for training", shape)?;
        if let Some(warning) = disk_warning(run) {
            checks.warn("disk", &warning)?;
        }
        checks.add("adapters", adapters(run.config))
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        Ok(Examples::read(run)?.provenance(run)?.key())
    }

    fn trained(&self, run: &Run<'_, Config>) -> Vec<Trained> {
        let (own, teacher) = (run.folder(NAME), run.folder(TEACHER));
        let found = [
            (trained_from(&own), own),
            (States::made_from(&teacher).ok().flatten(), teacher),
        ];
        let found = found.into_iter();
        let trained = found.filter_map(|(from, folder)| {
            let from = from?;
            Some(Trained { folder, from })
        });
        trained.collect()
    }

    fn origin(&self, run: &Run<'_, Config>, trained: &Trained) -> Result<Provenance> {
        let examples = Examples::read(run)?;
        Ok(match trained.folder == run.folder(TEACHER) {
            // Distributions that nobody learns from any more are in nobody's way.
            true => examples.teacher(run)?.unwrap_or(trained.from.clone()),
            false => examples.provenance(run)?,
        })
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        let examples = Examples::read(run)?;
        let provenance = examples.provenance(run)?;
        let (config, output) = (&run.config.train, run.model());
        let folder = folders(run, &provenance)?;
        if let Some(summary) = fine_tune::finished(&folder, &output, config, &provenance)? {
            if let Some(note) = fine_tune::unmeasured(&folder, config, &summary)? {
                run.progress.note(&note);
            }
            return Ok(summary.to_string());
        }
        if let Err(warning) = memory_needed(run.config)? {
            run.progress.note(&format!("warning: {warning}"));
        }
        let device = run.config.device.open()?.autodiff();
        config.validate_on(&device)?;
        let model = run.language_model(&device, config.weight_form())?;
        let Examples { train, held_out } = &examples;
        let progress = run.progress;
        let places = Places {
            folder: &folder,
            teacher: &examples.teacher_folder(run)?,
            output: &output,
        };
        let identifier = match config.measures(WrittenMeasure::OffTarget) {
            true => Some(run.config.identify.open()?),
            false => None,
        };
        let summary = fine_tune::fine_tune(
            model,
            train,
            held_out,
            config,
            &places,
            identifier
                .as_deref()
                .map(|identifier| identifier as &dyn LanguageIdentifier),
            progress,
        )?;
        model_card::write(run, None)?;
        Ok(summary.to_string())
    }
}

/// Checks the keys of adapters against the model, of which it reads no weights.
fn adapters(config: &Config) -> Result<String> {
    let train = &config.train;
    if train.method != Method::Lora {
        return Ok("none".to_owned());
    }
    let model = BackboneSource::Llm(config.model.to_path_buf());
    adapter_keys::check(NAME, train.lora_rank, &train.lora_targets, &model)
}

/// The transfer set.
struct Examples {
    train: Vec<Example>,
    held_out: Vec<Example>,
}

impl Examples {
    fn read(run: &Run<'_, Config>) -> Result<Examples> {
        Ok(Examples {
            train: mix::transfer_set(run)?,
            held_out: mix::held_out(run)?,
        })
    }

    /// The folder of the teacher's distributions, which runs with a store share.
    fn teacher_folder(&self, run: &Run<'_, Config>) -> Result<PathBuf> {
        Ok(match self.teacher(run)? {
            Some(made_from) => run.place()?.whole_folder(TEACHER, &made_from.key())?,
            None => run.folder(TEACHER),
        })
    }

    /// From what the teacher's distributions are made; `None` if there are none.
    fn teacher(&self, run: &Run<'_, Config>) -> Result<Option<Provenance>> {
        let revision = run.model_identity()?.revision;
        let sets = [self.train.as_slice(), &self.held_out];
        let train = &run.config.train;
        Ok(fine_tune::teacher_provenance(train, &revision, &sets))
    }

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let revision = run.model_identity()?.revision;
        let Examples { train, held_out } = self;
        Ok(fine_tune::provenance(
            &run.config.train,
            &revision,
            train,
            held_out,
        ))
    }
}

/// The folder of the training; with a store, it and those of the model are links into it.
fn folders(run: &Run<'_, Config>, provenance: &Provenance) -> Result<PathBuf> {
    let (config, place, own) = (&run.config.train, run.place()?, run.folder(NAME));
    if run.config.store.is_some() && own.is_dir() && !own.is_symlink() {
        // What the run has trained without the store moves into it, under this key.
        require_same_run(&own, provenance)?;
    }
    let model = fine_tune::model_key(config, provenance);
    place.whole_folder(MODEL, &model)?;
    if config.lora_merge && config.method == Method::Lora {
        let merged = fine_tune::merged_directory(Path::new(MODEL));
        place.whole_folder(&merged.display().to_string(), &model)?;
    }
    Ok(place.whole_folder(NAME, &provenance.key())?)
}

/// A warning if the disk is too small for what training writes. If the model cannot be read, its own
/// check says so.
fn disk_warning(run: &Run<'_, Config>) -> Option<String> {
    let Config {
        model,
        train,
        store,
        output,
        ..
    } = run.config;
    let shape = LanguageModel::shape_of(model).ok()?;
    let written = [run.folder(NAME), run.model()].map(|folder| disk::used(&folder));
    let free = disk::free(store.as_ref().unwrap_or(output))?;
    fine_tune::disk::warning(&shape, train, free, written.iter().sum())
}

/// Expected memory of training on the CPU, and free memory; an error if that is not enough.
fn memory_needed(config: &Config) -> Result<Result<String, String>> {
    if config.device != ComputeDevice::Cpu {
        return Ok(Ok(format!("not checked on {}", config.device)));
    }
    let shape = LanguageModel::shape_of(&config.model)?;
    let available = kernels::available_memory();
    Ok(match memory::warning(&shape, &config.train, available) {
        Some(warning) => Err(warning),
        None => Ok(format!(
            "about {}, of {} free",
            memory::gigabytes(memory::expected(&shape, &config.train)),
            memory::gigabytes(available)
        )),
    })
}
