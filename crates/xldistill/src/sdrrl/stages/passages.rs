//! Reads native text and translates it into the source language.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use artefacts::Key;
use corpus::language::Language;
use corpus::record::Passage;
use corpus::rejected::Rejected;
use corpus::reverse_instructions::PassageStage;
use corpus::seam::Translator;
use corpus::source::{LoadedPassages, PassageCounts};
use corpus::stage::{self, Inputs, StageOptions};
use corpus::text::budget::DEFAULT_PIECES;
use serde_json::json;

use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
use crate::sdrrl::sample_translations::try_back;
use crate::sdrrl::texts::Texts;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "passages";

/// The stage.
pub struct Passages;

impl Stage<Config> for Passages {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "translate native text into the source language"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[]
    }

    fn is_wanted(&self, config: &Config) -> bool {
        config.native_text().is_some()
    }

    fn shardable(&self) -> bool {
        true
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        for (language, loaded) in loaded(run) {
            let found = loaded.and_then(|loaded| {
                let mut found = described(&loaded);
                if checks.thorough {
                    let back = back(run)?;
                    found += "; translated: ";
                    found += &try_back(run, &back, language, &loaded.passages)?;
                }
                Ok(found)
            });
            checks.add(&format!("native text in {language}"), found)?;
        }
        Ok(())
    }

    fn most_shards(&self, run: &Run<'_, Config>) -> Result<u64> {
        prepared(run, |stage, inputs| Ok(stage::most_shards(stage, inputs)))
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        prepared(run, |stage, inputs| Ok(stage::key(stage, inputs)?))
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        prepared(run, |stage, inputs| {
            run.rows(stage, inputs, StageOptions::default())
        })
    }
}

/// Does something with the stage and its inputs.
fn prepared<T>(
    run: &Run<'_, Config>,
    action: impl FnOnce(&PassageStage<'_>, &Inputs<'_, Passage>) -> Result<T>,
) -> Result<T> {
    let (mut rows, mut rejected) = (Vec::<Passage>::new(), Vec::<Rejected>::new());
    let mut counts = BTreeMap::<&str, PassageCounts>::new();
    for (target, loaded) in loaded(run) {
        let loaded = loaded?;
        let passages = loaded.passages.into_iter();
        rows.extend(passages.map(|passage| Passage::new(target, passage)));
        rejected.extend(loaded.rejected);
        counts.insert(target.code(), loaded.counts);
    }
    let back = back(run)?;
    let stage = PassageStage::new(&back, run.config.source, DEFAULT_PIECES)
        .with_details(json!({ "text": counts }));
    action(&stage, &Inputs::rows(&rows).with_rejected(&rejected))
}

/// The passages of each language.
fn loaded(run: &Run<'_, Config>) -> impl Iterator<Item = (Language, Result<LoadedPassages>)> {
    let section = run.config.native_text().into_iter();
    let texts = Texts::of(run);
    section
        .flat_map(|section| section.texts.iter().map(move |text| (section, text)))
        .map(move |(section, (&language, files))| {
            let drawn = section.drawn(run.config.seed, run.config.data.max_rejected_fraction);
            (language, texts.passages(files, &drawn, language))
        })
}

fn described(loaded: &LoadedPassages) -> String {
    let PassageCounts {
        passages,
        too_short,
        too_long,
        duplicates,
        unreadable,
        ..
    } = loaded.counts;
    let left_out = [
        (too_short, "too short"),
        (too_long, "too long"),
        (duplicates, "duplicates"),
        (unreadable, "unreadable"),
        (loaded.rejected.len() as u64, "set aside"),
    ];
    let left_out = left_out.into_iter().filter(|(count, _)| *count > 0);
    let left_out: String = left_out
        .map(|(count, why)| format!(", {count} {why}"))
        .collect();
    format!("{} of {passages} passages{left_out}", loaded.passages.len())
}

/// The translator into the source language. The check of the config has made sure that there is one.
fn back(run: &Run<'_, Config>) -> Result<Arc<dyn Translator>> {
    let back = run.translators()?.back;
    back.context("there is no model that translates native text into the source language")
}
