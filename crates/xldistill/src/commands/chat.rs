//! `xldistill chat`: a conversation with a model in the terminal.

mod input;

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use models::LanguageModel;
use models::chat_template::{ChatTemplate, Message};
use models::generation::{FinishReason, GenerationOptions, Sampling, stream};
use signal_hook::{consts::SIGINT, iterator::Signals};

use crate::arguments::ChatArguments;
use input::Input;

const HELP: &str = "\
/reset          forget the conversation
/system TEXT    set the system message and forget the conversation
/quit           leave (or Ctrl-D)
A line that ends with \\ goes on in the next one;
\"\"\" begins and ends a text of several lines.
Ctrl-C stops an answer.";

/// Talks until the input ends.
pub fn run(arguments: &ChatArguments) -> Result<()> {
    let model = arguments.model.load()?;
    let Some(template) = &model.chat_template else {
        bail!(
            "{} has no chat template, so it knows no turns; name one with --template, or continue plain \
             text with `xldistill generate --raw`",
            arguments.model.path().display()
        );
    };
    let turn = Arc::new(Turn::default());
    listen(Arc::clone(&turn))?;
    let mut input = Input::open();
    if input.is_terminal() {
        eprintln!(
            "{}: /help lists the commands",
            arguments.model.path().display()
        );
    }
    let mut system = arguments.system.clone();
    let mut turns: Vec<Message> = Vec::new();
    let mut answers = 0;
    while let Some(text) = input.next()? {
        let text = text.trim();
        match text
            .split_once(' ')
            .map_or((text, ""), |(word, rest)| (word, rest.trim()))
        {
            ("", _) => continue,
            ("/quit" | "/exit" | "/bye", _) => break,
            ("/help", _) => eprintln!("{HELP}"),
            ("/reset", _) => {
                turns.clear();
                eprintln!("(the conversation is forgotten)");
            }
            ("/system", message) => {
                system = (!message.is_empty()).then(|| message.to_owned());
                turns.clear();
                eprintln!("(the conversation begins anew)");
            }
            (command, _) if command.starts_with('/') && !command[1..].contains('/') => {
                eprintln!("{command} is no command; /help lists them");
            }
            _ => {
                turns.push(Message::user(text));
                let Some(ids) = fit(&mut turns, arguments.max_new_tokens, &model, |turns| {
                    prompt(template, &model, system.as_deref(), turns)
                })?
                else {
                    turns.pop();
                    continue;
                };
                let options = GenerationOptions {
                    max_new_tokens: arguments.max_new_tokens,
                    sampling: sampling(arguments),
                    seed: arguments.seed + answers,
                    ..GenerationOptions::default()
                };
                answers += 1;
                let answer = answer(&model, &ids, &options, &turn)?;
                turns.push(Message::assistant(answer));
            }
        }
    }
    Ok(())
}

/// Whose turn it is. Ctrl-C ends an answer and never the program.
#[derive(Default)]
struct Turn {
    answering: AtomicBool,
    stopped: AtomicBool,
}

/// Has Ctrl-C stop the answer or, if there is none, say how to leave.
fn listen(turn: Arc<Turn>) -> Result<()> {
    let mut signals = Signals::new([SIGINT]).context("cannot listen for Ctrl-C")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            match turn.answering.load(Ordering::Relaxed) {
                true => turn.stopped.store(true, Ordering::Relaxed),
                // The terminal has forgotten the line that was being typed.
                false => eprint!("\n(/quit or Ctrl-D leaves)\n> "),
            }
        }
    });
    Ok(())
}

fn sampling(arguments: &ChatArguments) -> Sampling {
    match arguments.temperature {
        temperature if temperature <= 0.0 => Sampling::Greedy,
        temperature => Sampling::Random {
            temperature,
            top_k: 0,
            top_p: arguments.top_p,
        },
    }
}

fn prompt(
    template: &ChatTemplate,
    model: &LanguageModel,
    system: Option<&str>,
    turns: &[Message],
) -> Result<Vec<u32>> {
    let system = system.map(Message::system);
    let messages: Vec<Message> = system.into_iter().chain(turns.iter().cloned()).collect();
    Ok(template.prompt(&model.tokenizer, &messages)?)
}

/// The ids of the conversation, without its oldest turns if there is no room for an answer of so
/// many tokens; `None` if not even the last question fits.
fn fit(
    turns: &mut Vec<Message>,
    answer: usize,
    model: &LanguageModel,
    encode: impl Fn(&[Message]) -> Result<Vec<u32>>,
) -> Result<Option<Vec<u32>>> {
    let context = model.config.max_position_embeddings;
    let kept = kept(turns, context, answer, |turns| Ok(encode(turns)?.len()))?;
    let ids = encode(&turns[turns.len() - kept..])?;
    if ids.len() >= context {
        eprintln!(
            "(the question has {} tokens with the chat template around it; the model's context holds {context})",
            ids.len()
        );
        return Ok(None);
    }
    let forgotten = turns.len() - kept;
    if forgotten > 0 {
        eprintln!(
            "(the context of {context} tokens is full: the oldest {forgotten} of {} turns are forgotten)",
            turns.len()
        );
        turns.drain(..forgotten);
    }
    Ok(Some(ids))
}

/// The number of last turns that fit, beginning with a question; at least the last one.
fn kept(
    turns: &[Message],
    context: usize,
    answer: usize,
    length: impl Fn(&[Message]) -> Result<usize>,
) -> Result<usize> {
    let mut first = 0;
    while first + 2 < turns.len() && length(&turns[first..])? + answer > context {
        first += 2;
    }
    Ok(turns.len() - first)
}

/// Writes the answer while it is generated, and returns it.
fn answer(
    model: &LanguageModel,
    ids: &[u32],
    options: &GenerationOptions,
    turn: &Turn,
) -> Result<String> {
    turn.stopped.store(false, Ordering::Relaxed);
    turn.answering.store(true, Ordering::Relaxed);
    let mut out = std::io::stdout().lock();
    let mut shown = 0;
    let mut failed = Ok(());
    let mut text = String::new();
    let generated = stream(model, ids, options, &mut |written| {
        let step = (|| -> Result<()> {
            text = model.tokenizer.decode(written)?;
            let ready = ready(&text);
            if let Some(new) = text.get(shown..ready).filter(|new| !new.is_empty()) {
                out.write_all(new.as_bytes())?;
                out.flush()?;
                shown = ready;
            }
            Ok(())
        })();
        failed = step;
        match failed.is_err() || turn.stopped.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    turn.answering.store(false, Ordering::Relaxed);
    failed?;
    writeln!(out, "{}", text.get(shown..).unwrap_or_default())?;
    if turn.stopped.load(Ordering::Relaxed) {
        eprintln!("(stopped)");
    } else if generated.finish_reason == FinishReason::Length {
        eprintln!(
            "(cut off after {} tokens; --max-new-tokens sets the limit)",
            generated.ids.len()
        );
    }
    if std::io::stdout().is_terminal() {
        writeln!(out)?;
    }
    Ok(text)
}

/// The end of what can be shown: a character may take several tokens, and is unknown until the
/// last.
fn ready(text: &str) -> usize {
    text.trim_end_matches(char::REPLACEMENT_CHARACTER).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_questions_and_answers_make_room() {
        let turns: Vec<Message> = ["a", "bb", "c", "dd", "e"].map(Message::user).to_vec();
        let length = |turns: &[Message]| Ok(turns.iter().map(|turn| turn.content.len()).sum());
        let kept = |context| kept(&turns, context, 3, length).unwrap();
        assert_eq!(kept(10), 5, "7 tokens and an answer of 3");
        assert_eq!(kept(9), 3, "4 and 3");
        assert_eq!(kept(6), 1, "1 and 3");
        assert_eq!(kept(1), 1, "the question stays");
    }

    #[test]
    fn half_a_character_waits() {
        assert_eq!(ready("ol\u{fffd}"), 2);
        assert_eq!(ready("olá"), 4);
    }
}
