//! Assembles the transfer set.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use artefacts::Key;
use corpus::decontamination::{EvaluationIndex, NgramSizes};
use corpus::mix::{self, MixConfig, MixInputs, TargetPairs, TargetSentences};
use corpus::record::Example;
use corpus::rejected::Rejected;
use corpus::source::ParallelSource;
use corpus::stage::{self, Inputs};

use super::code_switch;
use crate::checks::Checks;
use crate::run::{Run, summary};
use crate::sdrrl::config::Config;
use crate::sdrrl::texts::Texts;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "mix";

/// The stage.
pub struct Mix;

impl Stage<Config> for Mix {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "assemble the transfer set from LL, TL, LT, TT, mt and comp"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[code_switch::NAME]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let Config {
            data,
            decontaminate,
            ..
        } = run.config;
        let found = |unit: &str, usable: usize, rejected: &[Rejected]| match rejected.len() {
            0 => format!("{usable} {unit}"),
            other => format!("{usable} {unit}, {other} set aside"),
        };
        for (&language, files) in &data.parallel {
            let pairs = Texts::open(run).and_then(|texts| texts.pairs(files, language));
            let pairs = pairs.map(|loaded| found("pairs", loaded.pairs.len(), &loaded.rejected));
            checks.add(&format!("parallel text in {language}"), pairs)?;
        }
        for (&language, file) in &data.monolingual {
            let lines = Texts::open(run).and_then(|texts| texts.lines(file, language));
            let lines = lines.map(|loaded| found("lines", loaded.lines.len(), &loaded.rejected));
            checks.add(&format!("monolingual text in {language}"), lines)?;
        }
        for set in &decontaminate.against {
            let found = || {
                ensure!(set.exists(), "decontaminate.against: {set} does not exist");
                Ok(String::new())
            };
            checks.add("evaluation set", found())?;
        }
        Ok(())
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        prepared(run, |inputs, config| Ok(mix::key(inputs, config)?))
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        prepared(run, |inputs, config| {
            let folder = run.place()?.folder(NAME, || mix::key(inputs, config))?;
            let manifest = mix::mix(inputs, config, &folder, run.progress)?;
            Ok(summary(&manifest))
        })
    }
}

/// Does something with the inputs of the transfer set and its config.
fn prepared<T>(
    run: &Run<'_, Config>,
    action: impl FnOnce(&MixInputs<'_>, &MixConfig) -> Result<T>,
) -> Result<T> {
    let rows = Inputs::stage(&run.folder(code_switch::NAME))?;
    let Config { source, data, .. } = run.config;
    let texts = Texts::open(run)?;
    let (mut pairs, mut rejected) = (Vec::new(), Vec::new());
    for (&target, files) in &data.parallel {
        let loaded = texts.pairs(files, target)?;
        rejected.extend(loaded.rejected);
        pairs.push(TargetPairs {
            target,
            pairs: loaded.pairs,
        });
    }
    let mut monolingual = Vec::new();
    for (&target, path) in &data.monolingual {
        let loaded = texts.lines(path, target)?;
        rejected.extend(loaded.rejected);
        monolingual.push(TargetSentences {
            target,
            sentences: loaded.lines,
        });
    }
    let evaluation = evaluation_index(run.config)?;
    let inputs = MixInputs {
        rows,
        source: *source,
        pairs: &pairs,
        monolingual: &monolingual,
        rejected: &rejected,
        evaluation: evaluation.as_ref(),
    };
    action(&inputs, &run.config.mix)
}

/// The training part of the transfer set.
pub fn transfer_set(run: &Run<'_, Config>) -> Result<Vec<Example>> {
    let folder = run.folder(NAME);
    stage::manifest(&folder)?;
    examples(&stage::output_file(&folder))
}

/// The held-out part of the transfer set.
pub fn held_out(run: &Run<'_, Config>) -> Result<Vec<Example>> {
    examples(&held_out_file(run))
}

/// The file of [`held_out`].
pub fn held_out_file(run: &Run<'_, Config>) -> PathBuf {
    run.folder(NAME).join(mix::HELD_OUT_FILE)
}

fn examples(path: &Path) -> Result<Vec<Example>> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; run the stage mix first", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}:{}: not an example", path.display(), number + 1))
        })
        .collect()
}

/// The evaluation sets whose text must not be in the transfer set.
fn evaluation_index(config: &Config) -> Result<Option<EvaluationIndex>> {
    let Config {
        decontaminate,
        evaluate,
        ..
    } = config;
    if !decontaminate.enabled {
        return Ok(None);
    }
    let mut index = EvaluationIndex::new(NgramSizes {
        words: decontaminate.words,
        characters: decontaminate.characters,
    });
    let own = [&evaluate.questions, &evaluate.texts];
    let own = own.into_iter().flat_map(BTreeMap::values);
    let own = own
        .chain(&decontaminate.against)
        .map(|path| -> &Path { path });
    let pairs = evaluate.pairs.values().flat_map(ParallelSource::files);
    for path in own.chain(pairs) {
        index.add_file(path)?;
    }
    for benchmark in &evaluate.benchmarks {
        for (_, path) in benchmark.files(&config.languages())? {
            index.add_file(&path)?;
        }
    }
    Ok((!index.is_empty()).then_some(index))
}
