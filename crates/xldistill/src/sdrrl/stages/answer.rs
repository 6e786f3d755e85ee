//! The LLM answers the instructions.

use anyhow::{Context, Error, Result};
use artefacts::Key;
use burn::tensor::Device;
use corpus::answer::AnswerStage;
use corpus::record::Instruction;
use corpus::seam::Request;
use corpus::source::{self, LoadOptions, Loaded};
use corpus::stage::{self, Inputs, StageOptions};
use engines::answerer::AnswerEngine;
use engines::template_ref;
use models::WeightForm;
use models::chat_template::Message;

use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
use crate::sdrrl::texts::Texts;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "answer";

/// Length of an answer that only shows that a server answers, and of what is shown of it.
const SAMPLE_TOKENS: usize = 32;
const SAMPLE_CHARACTERS: usize = 60;

/// The stage.
pub struct Answer;

impl Stage<Config> for Answer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "answer the instructions with the LLM, in the source language"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[]
    }

    fn shardable(&self) -> bool {
        true
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let instructions = &run.config.data.instructions;
        let missing = instructions.iter().find(|path| !path.exists());
        let loaded = match missing {
            Some(path) => Err(anyhow::anyhow!("data.instructions: {path} does not exist")),
            None => self::instructions(run),
        };
        let first = loaded.as_ref().ok();
        let first = first.and_then(|loaded| loaded.instructions.first().cloned());
        let counted = loaded.and_then(|loaded| {
            // The filter's check says what is wrong with the identifier.
            if run.config.identify.check_files().is_ok() {
                Texts::of(run).questions(&loaded.instructions)?;
            }
            let (rows, rejected) = (loaded.instructions.len(), loaded.rejected.len());
            Ok(format!(
                "{rows} rows, {rejected} malformed{}",
                left_out(&loaded)
            ))
        });
        checks.add("instructions", counted)?;
        // Training needs it as well, whoever answers.
        let template = template_ref::in_use(run.config.template.as_ref(), &run.config.model);
        checks.add("template", template.map_err(Error::msg))?;
        let answer = &run.config.answer;
        // Training needs the template that a local LLM answers with, a server only its answers.
        if matches!(answer, AnswerEngine::OpenAi(_)) && !is_needed(run.config) {
            return checks.add(
                "answers",
                Ok("given ones only, no server is asked".to_owned()),
            );
        }
        let files = answer.check_files(&run.config.opening());
        let found = files.map_err(Into::into).and_then(|()| match answer {
            AnswerEngine::Local(local) if checks.thorough => {
                // Loads it as for answering, which reads all weights.
                model(run, WeightForm::Packed(local.precision))
            }
            AnswerEngine::OpenAi(_) if checks.thorough => {
                // Missing instructions have a check of their own.
                let question = first.map_or("Hello".to_owned(), |first| first.question);
                sample_answer(run, &question)
            }
            _ => Ok(answer.name().to_owned()),
        });
        checks.add("answers", found)
    }

    fn most_shards(&self, run: &Run<'_, Config>) -> Result<u64> {
        let loaded = instructions(run)?;
        prepared(run, &loaded, |stage, inputs| {
            Ok(stage::most_shards(stage, inputs))
        })
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        let loaded = instructions(run)?;
        prepared(run, &loaded, |stage, inputs| Ok(stage::key(stage, inputs)?))
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        let loaded = instructions(run)?;
        let options = StageOptions {
            // A row whose answer is rejected still has the given one.
            max_rejected_fraction: 1.0,
            ..StageOptions::default()
        };
        let summary = prepared(run, &loaded, |stage, inputs| {
            run.rows(stage, inputs, options)
        });
        Ok(summary? + &left_out(&loaded))
    }
}

/// Whether the LLM answers: an example needs its answer, or a run of another method that shares the
/// store may; otherwise the translations, whose rows name both answers, would be made for each.
fn is_needed(config: &Config) -> bool {
    config.mix.wants_own_answers() || config.store.is_some()
}

/// Does something with the stage and its inputs.
fn prepared<T>(
    run: &Run<'_, Config>,
    loaded: &Loaded,
    action: impl FnOnce(&AnswerStage<'_>, &Inputs<'_, Instruction>) -> Result<T>,
) -> Result<T> {
    let answer = &run.config.answer;
    let answerer = match is_needed(run.config) {
        true => {
            let llm = answer.open(&run.config.opening(), answer.max_new_tokens())?;
            Some(llm.answerer)
        }
        false => None,
    };
    let stage = match &answerer {
        Some(answerer) => AnswerStage::new(answerer.as_ref(), answer.questions_at_once()),
        None => AnswerStage::without_answers(),
    };
    let stage = stage.with_left_out(loaded.left_out.clone());
    let inputs = Inputs::rows(&loaded.instructions).with_rejected(&loaded.rejected);
    action(&stage, &inputs)
}

/// What the server begins to answer to `question`.
fn sample_answer(run: &Run<'_, Config>, question: &str) -> Result<String> {
    let answer = &run.config.answer;
    let llm = answer.open(&run.config.opening(), SAMPLE_TOKENS)?;
    let answers = llm.answerer.answer(&[Request::question(question)])?;
    let text = answers.first().map_or("", |answer| &answer.text);
    let beginning = |text: &str| text.chars().take(SAMPLE_CHARACTERS).collect::<String>();
    Ok(format!(
        "{} answers {:?}: {:?}",
        answer.name(),
        beginning(question),
        beginning(text)
    ))
}

fn instructions(run: &Run<'_, Config>) -> Result<Loaded> {
    let data = &run.config.data;
    let options = LoadOptions {
        limit: data.limit,
        max_rejected_fraction: data.max_rejected_fraction,
        columns: data.columns.clone(),
    };
    Ok(source::load_all(&data.instructions, &options)?)
}

/// The parts of the instructions that are not used.
fn left_out(loaded: &Loaded) -> String {
    let name = |kind: &str| match kind {
        "system" => "system prompts",
        "later_turns" => "later turns",
        _ => "other parts",
    };
    let parts = loaded.left_out.iter();
    let parts: Vec<String> = parts
        .map(|(kind, count)| format!("{count} {}", name(kind)))
        .collect();
    let parts = match parts.is_empty() {
        true => String::new(),
        false => format!(", {} not used", parts.join(" and ")),
    };
    let splits = loaded.other_splits.iter();
    let splits: Vec<String> = splits
        .map(|file| {
            file.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    match splits.is_empty() {
        true => parts,
        false => format!(
            "{parts}, test or validation splits left out: {}",
            splits.join(", ")
        ),
    }
}

/// Loads the LLM on the CPU and renders a question with its chat template.
fn model(run: &Run<'_, Config>, form: WeightForm) -> Result<String> {
    let path = &run.config.model;
    let model = run.language_model(&Device::flex(), form)?;
    // That there is one is checked before.
    if let Some(template) = &model.chat_template {
        template
            .answer_frame(&model.tokenizer, &[Message::user("?")])
            .with_context(|| format!("chat template of {path}"))?;
    }
    Ok(format!(
        "{path}, {} layers, vocabulary of {}, licence {}",
        model.config.num_hidden_layers,
        model.config.vocab_size,
        model.identity.licence.as_deref().unwrap_or("unknown")
    ))
}
