//! Evaluates the stack and its baselines on the test files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Error, Result};
use artefacts::Provenance;
use corpus::language::Language;
use engines::opening::Opening;
use evaluation::classification::{
    Contender, ENCODER_ALONE, FINE_TUNED_STACK, LLM_ZERO_SHOT, MT_LLM, MT_LLM_CENTRED, System,
    TRANSLATE_TEST,
};
use serde_json::json;

use super::{baselines, centre, classify, distill};
use crate::checks::Checks;
use crate::comparison::{self, Data, NAME};
use crate::mt_llm::MODEL;
use crate::mt_llm::config::Config;
use crate::run::Run;
use crate::run_folder::model_name;
use crate::stage_record::{self, RecordedStage};
use crate::tasks;

/// The stage.
pub struct Evaluate;

impl RecordedStage<Config> for Evaluate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "evaluate the stack and its baselines in every language of the test files"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[classify::NAME, distill::NAME, centre::NAME, baselines::NAME]
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let Some(translate) = &run.config.translate else {
            return Ok(());
        };
        let none = BTreeMap::new();
        let sources: BTreeSet<Language> = run
            .config
            .tasks
            .values()
            .map(|task| task.language)
            .collect();
        let files = (sources.into_iter())
            .try_for_each(|source| translate.engine.check_files(&opening(run, &none, source)));
        let found = files.map(|()| translate.engine.name().to_owned());
        checks.add("translation", found.map_err(Error::from))
    }

    fn provenance(&self, run: &Run<'_, Config>) -> Result<Provenance> {
        let data = tasks::load(&run.config.tasks, run.config.seed)?;
        let Config {
            evaluate,
            baselines,
            translate,
            ..
        } = run.config;
        let mut stages = vec![classify::NAME, distill::NAME, super::baselines::NAME];
        stages.extend(run.centres().then_some(centre::NAME));
        let mut inputs = stage_record::inputs(run, &stages)?;
        inputs.insert("test files".to_owned(), comparison::key(&data));
        let translate = translate.as_ref().filter(|_| baselines.translate_test);
        Ok(Provenance {
            stage: NAME.to_owned(),
            version: 1,
            parameters: json!({
                "evaluate": evaluate,
                "baselines": baselines,
                "translate": translate.map(|translate| &translate.engine),
            }),
            engines: Vec::new(),
            inputs,
        })
    }

    fn make(&self, run: &Run<'_, Config>, folder: &Path) -> Result<String> {
        if !tasks::have_tests(&run.config.tasks) {
            return comparison::nothing(folder);
        }
        let Config {
            evaluate,
            tasks,
            model,
            encoder,
            seed,
            ..
        } = run.config;
        let data = tasks::load(tasks, *seed)?;
        let (llm, under) = (model_name(model), model_name(&encoder.path));
        let title = format!("{llm} on {under}");
        let contenders = contenders(run, &data)?;
        comparison::evaluate(run, evaluate, title, contenders, tasks, &data, folder)
    }
}

/// The stack and its baselines.
fn contenders(run: &Run<'_, Config>, data: &Data) -> Result<Vec<Contender<'static>>> {
    let Config {
        evaluate,
        device,
        baselines,
        ..
    } = run.config;
    let stack = evaluate.open(&run.folder(MODEL), *device)?;
    let mut contenders = vec![Contender::new(&MT_LLM, stack)];
    if run.centres() {
        let centred = evaluate.open(&run.centred(), *device)?;
        contenders.push(Contender::new(&MT_LLM_CENTRED, centred));
    }
    for task in data.keys() {
        for (system, path) in trained(run, task) {
            contenders.push(Contender::new(system, evaluate.open(&path, *device)?));
        }
        if baselines.translate_test {
            let translate = run.config.translate.as_ref();
            let translate =
                translate.context("baselines.translate_test: name an engine under [translate]")?;
            let none = BTreeMap::new();
            let translators =
                translate.open(&opening(run, &none, comparison::source(&data[task])))?;
            let translator = translators.back.unwrap_or(translators.there);
            let tests = data[task]
                .tests
                .iter()
                .filter_map(|test| test.language.source);
            let languages = tests.filter(|language| translate.engine.translates_back(*language));
            let languages: Vec<Language> = languages.collect();
            let teacher = evaluate.open(&run.teacher(task), *device)?;
            let contender = Contender::new(&TRANSLATE_TEST, teacher);
            contenders.push(contender.translating(translator, Some(languages)));
        }
    }
    Ok(contenders)
}

/// The model directories of the systems that have a model for each task.
fn trained(run: &Run<'_, Config>, task: &str) -> Vec<(&'static System, std::path::PathBuf)> {
    let wanted = &run.config.baselines;
    let mut systems = Vec::new();
    if wanted.llm_zero_shot {
        systems.push((&LLM_ZERO_SHOT, run.teacher(task)));
    }
    for (wanted, system) in [
        (wanted.encoder_alone, &ENCODER_ALONE),
        (wanted.fine_tuned_stack, &FINE_TUNED_STACK),
    ] {
        if wanted {
            systems.push((system, run.baseline(system.name, task)));
        }
    }
    systems
}

/// How the translation engine is opened: into `source`, the language of a task's training data.
fn opening<'a>(
    run: &'a Run<'_, Config>,
    none: &'a BTreeMap<Language, corpus::source::ParallelSource>,
    source: Language,
) -> Opening<'a> {
    Opening {
        model: None,
        template: None,
        source,
        targets: &[],
        parallel: none,
        device: run.config.device,
        seed: run.config.seed,
    }
}
