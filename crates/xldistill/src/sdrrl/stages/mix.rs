//! Assembles the transfer set.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use artefacts::Key;
use corpus::decontamination::{EvaluationIndex, NgramSizes};
use corpus::mix::{
    self, AnswerCounts, MixConfig, MixInputs, Sampling, TargetPairs, TargetSentences,
};
use corpus::progress::Silent;
use corpus::record::Example;
use corpus::rejected::Rejected;
use corpus::source::ParallelSource;
use corpus::stage::{self, Inputs, Manifest};

use super::{answer, code_switch, native};
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
        "assemble the transfer set from LL, TL, LT, TT, mt, comp and native"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[code_switch::NAME, native::NAME]
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
        let texts = Texts::of(run);
        for (&language, files) in &data.parallel {
            let pairs = texts.pairs(files, language);
            let pairs = pairs.map(|loaded| found("pairs", loaded.pairs.len(), &loaded.rejected));
            checks.add(&format!("parallel text in {language}"), pairs)?;
        }
        for (&language, file) in &data.monolingual {
            let lines = texts.lines(file, language);
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
        if !decontaminate.enabled {
            return Ok(());
        }
        let found = || {
            let mut files = evaluation_files(run.config)?;
            let against = &decontaminate.against;
            files.retain(|file| against.iter().all(|set| **set != **file));
            for path in &files {
                File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            }
            Ok(match files.len() {
                1 => "1 file".to_owned(),
                files => format!("{files} files"),
            })
        };
        checks.add("evaluation files", found())
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        prepared(run, |inputs, config| Ok(mix::key(inputs, config)?))
    }

    fn preview(&self, run: &Run<'_, Config>, folder: &Path) -> Result<bool> {
        prepared(run, |inputs, config| {
            mix::mix(inputs, config, folder, &Silent)?;
            Ok(true)
        })
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        prepared(run, |inputs, config| {
            let folder = run.place()?.folder(NAME, || mix::key(inputs, config))?;
            let manifest = mix::mix(inputs, config, &folder, run.progress)?;
            if let Some(warning) = own_answers_warning(run, &manifest)? {
                run.progress.note(&format!("warning: {warning}"));
            }
            if lacks_tests(run) {
                run.progress.note(&format!("warning: {NO_TESTS}"));
            }
            Ok(summary(&manifest))
        })
    }
}

/// What a run says that has nothing to evaluate.
pub const NO_TESTS: &str = "nothing will be evaluated: so few rows leave none for \
     tests, and [evaluate] names no questions, pairs, texts or benchmarks";

/// Whether there is nothing to evaluate, neither in the config nor in the finished transfer set.
pub fn lacks_tests(run: &Run<'_, Config>) -> bool {
    run.config.evaluate.names_nothing() && test_file(run).is_none()
}

/// Does something with the inputs of the transfer set and its config.
fn prepared<T>(
    run: &Run<'_, Config>,
    action: impl FnOnce(&MixInputs<'_>, &MixConfig) -> Result<T>,
) -> Result<T> {
    let rows = Inputs::stage(&run.folder(code_switch::NAME))?;
    let Config { source, data, .. } = run.config;
    let texts = Texts::of(run);
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
    let native = match run.config.native_text() {
        Some(_) => Some(Inputs::stage(&run.folder(native::NAME))?),
        None => None,
    };
    let evaluation = evaluation_index(run.config)?;
    let inputs = MixInputs {
        rows,
        source: *source,
        pairs: &pairs,
        monolingual: &monolingual,
        native,
        rejected: &rejected,
        evaluation: evaluation.as_ref(),
    };
    action(&inputs, &run.config.mix)
}

/// Whether a question of the finished transfer set has the LLM's own answer.
pub fn has_own_answers(run: &Run<'_, Config>) -> bool {
    let counts = || -> Result<AnswerCounts> {
        let manifest = stage::manifest(&run.folder(NAME))?;
        Ok(serde_json::from_value(
            manifest.results.details["answers"].clone(),
        )?)
    };
    run.config.mix.wants_own_answers() && counts().is_ok_and(|counts| counts.own > 0)
}

/// A warning if far fewer questions have the LLM's own answer than the config asks for.
fn own_answers_warning(run: &Run<'_, Config>, manifest: &Manifest) -> Result<Option<String>> {
    let counts = serde_json::from_value(manifest.results.details["answers"].clone())?;
    let AnswerCounts {
        rows,
        available,
        own,
    } = counts;
    let (share, asked) = (
        own as f64 / rows.max(1) as f64,
        run.config.mix.generated_fraction,
    );
    if run.config.mix.sampling == Sampling::Both || share >= 0.5 * asked {
        return Ok(None);
    }
    let answered = stage::manifest(&run.folder(answer::NAME))?;
    let reasons = &answered.results.counts.rejections;
    let listed: Vec<String> = reasons
        .iter()
        .map(|(why, n)| format!("{why} {n}"))
        .collect();
    let cut_off = reasons.get("cut_off").copied().unwrap_or_default();
    let advice = match 2 * cut_off > reasons.values().sum::<u64>() {
        true => "raise answer.max_new_tokens",
        false => "look at answer/rejected.jsonl",
    };
    Ok(Some(format!(
        "{:.0} % of the questions have the LLM's own answer, and mix.generated_fraction asks for {:.0} %: \
         {available} of {rows} rows have one that was not rejected ({}); {advice}",
        100.0 * share,
        100.0 * asked,
        listed.join(", ")
    )))
}

/// The training part of the transfer set.
pub fn transfer_set(run: &Run<'_, Config>) -> Result<Vec<Example>> {
    let folder = run.folder(NAME);
    stage::manifest(&folder)?;
    examples(&stage::output_file(&folder))
}

/// The part of the transfer set that chooses the checkpoint.
pub fn held_out(run: &Run<'_, Config>) -> Result<Vec<Example>> {
    examples(&run.folder(NAME).join(mix::HELD_OUT_FILE))
}

/// The file of the part of the transfer set for the evaluation alone; `None` if no question fell
/// into it, as can happen with a few dozen of them.
pub fn test_file(run: &Run<'_, Config>) -> Option<PathBuf> {
    let path = run.folder(NAME).join(mix::TEST_FILE);
    let is_empty = fs::metadata(&path).is_ok_and(|file| file.len() == 0);
    (!is_empty).then_some(path)
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
    let decontaminate = &config.decontaminate;
    if !decontaminate.enabled {
        return Ok(None);
    }
    let mut index = EvaluationIndex::new(NgramSizes {
        words: decontaminate.words,
        characters: decontaminate.characters,
    });
    for path in evaluation_files(config)? {
        index.add_file(&path)?;
    }
    Ok((!index.is_empty()).then_some(index))
}

/// The files with text that is kept out of the transfer set. Their order is part of its key.
fn evaluation_files(config: &Config) -> Result<Vec<PathBuf>> {
    let Config {
        decontaminate,
        evaluate,
        ..
    } = config;
    let own = [&evaluate.questions, &evaluate.texts];
    let own = own.into_iter().flat_map(BTreeMap::values);
    let own = own
        .chain(&decontaminate.against)
        .map(|path| -> &Path { path });
    let pairs = evaluate.pairs.values().flat_map(ParallelSource::files);
    let mut files: Vec<PathBuf> = own.chain(pairs).map(Path::to_path_buf).collect();
    for benchmark in &evaluate.benchmarks {
        let own = benchmark.files(&config.languages())?.into_iter();
        files.extend(own.map(|(_, path)| path));
    }
    Ok(files)
}
