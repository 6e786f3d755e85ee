//! `xldistill generate`: answers prompts, with a JSON line for each.

use std::io::Write;

use anyhow::{Result, bail};
use corpus::progress::Progress;
use models::{
    LanguageModel,
    chat_template::Message,
    generation::{FinishReason, GenerationOptions, Sampling, generate},
};
use serde_json::json;

use crate::{arguments::GenerateArguments, lines, terminal::Terminal};

/// Answers all prompts, in order: those of a file at once, those of a pipe as they come.
pub fn run(arguments: &GenerateArguments, terminal: &Terminal) -> Result<()> {
    let prompts = arguments
        .prompts
        .as_deref()
        .map(lines::of_file)
        .transpose()?;
    let model = arguments.model.load()?;
    match prompts {
        Some(prompts) => answer(&model, &prompts, arguments, terminal),
        None => lines::as_they_come()
            .try_for_each(|prompts| answer(&model, &prompts?, arguments, terminal)),
    }
}

fn answer(
    model: &LanguageModel,
    prompts: &[String],
    arguments: &GenerateArguments,
    terminal: &Terminal,
) -> Result<()> {
    let encode = |prompt: &String| -> Result<Vec<u32>> {
        if arguments.raw {
            return Ok(model.tokenizer.encode_raw(prompt)?);
        }
        let Some(template) = &model.chat_template else {
            bail!(
                "{} has no chat template; name one with --template, or continue the prompt as plain text \
                 with --raw",
                arguments.model.path().display()
            );
        };
        let system = arguments.system.as_ref().map(Message::system);
        let conversation: Vec<Message> =
            system.into_iter().chain([Message::user(prompt)]).collect();
        Ok(template.prompt(&model.tokenizer, &conversation)?)
    };
    let ids: Vec<Vec<u32>> = prompts.iter().map(encode).collect::<Result<_>>()?;
    let sampling = match arguments.temperature {
        temperature if temperature <= 0.0 => Sampling::Greedy,
        temperature => Sampling::Random {
            temperature,
            top_k: 0,
            top_p: arguments.top_p,
        },
    };
    let options = GenerationOptions {
        max_new_tokens: arguments.max_new_tokens,
        batch_size: arguments.batch_size,
        sampling,
        seed: arguments.seed,
        ignore_stop_tokens: false,
    };
    terminal.begin("generate", Some(prompts.len() as u64));
    let generated = generate(model, &ids, &options, &mut |done| {
        terminal.advance(done as u64)
    });
    terminal.end();
    let mut out = std::io::stdout().lock();
    for ((prompt, ids), generated) in prompts.iter().zip(&ids).zip(generated) {
        let context = model.config.max_position_embeddings;
        let finish_reason = match generated.finish_reason {
            FinishReason::Stop => "stop",
            FinishReason::Length if ids.len() >= context => {
                let beginning: String = prompt.chars().take(40).collect();
                terminal.note(&format!(
                    "no answer to \"{beginning}…\": its {} tokens do not fit the model's context of {context}",
                    ids.len()
                ));
                "prompt_too_long"
            }
            FinishReason::Length => "length",
        };
        let line = json!({
            "prompt": prompt,
            "text": model.tokenizer.decode(&generated.ids)?,
            "finish_reason": finish_reason,
            "prompt_tokens": ids.len(),
            "tokens": generated.ids,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}
