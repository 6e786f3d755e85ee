//! xldistill: teach an open LLM a language it is weak in, from what it already knows in one it is
//! strong in.
//!
//! The binary turns arguments ([`arguments`]) and the config of a system ([`system`]) into a run
//! ([`run::Run`]) of that system's stages ([`stages`]); the libraries do the work.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used)]

/// Keeps chat templates, which come with models, within their memory.
#[global_allocator]
static ALLOCATOR: models::allowance::Metered = models::allowance::Metered;

mod adapter_keys;
mod arguments;
mod backbone_source;
mod checks;
mod classify;
mod commands;
mod comparison;
mod config_file;
mod disk;
mod grid;
mod interruption;
mod kept_training;
mod lines;
mod mt_llm;
mod pace;
mod reference;
mod report_stage;
mod run;
mod run_folder;
mod sdrrl;
mod stage_record;
mod stages;
mod system;
mod systems;
mod tasks;
mod terminal;
mod wrapping;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use arguments::{Command, ConfigArguments, EvaluateArguments, Output, RunArguments};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, FromArgMatches};
use config_file::ConfigError;
use terminal::Terminal;
use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Exit code for invalid arguments and configs, that of clap.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let matches = match arguments::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let Some(fault) = unexpected(&error) else {
                error.exit();
            };
            terminal::line(&format!("error: unexpected argument {fault}"));
            return ExitCode::from(USAGE);
        }
    };
    let output = read::<Output>(&matches);
    log(&output);
    match run(&matches, &Terminal::new(output.quiet)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(code) = interruption::exit_code() {
                terminal::line(&error.root_cause().to_string());
                return ExitCode::from(code);
            }
            terminal::line(&format!("error: {}", describe(&error)));
            match error.downcast_ref::<ConfigError>() {
                Some(_) => ExitCode::from(USAGE),
                None => ExitCode::FAILURE,
            }
        }
    }
}

/// Commands that read lines of standard input.
const READ_LINES: [&str; 5] = [
    "identify",
    "perplexity",
    "translate-text",
    "predict",
    "export-embeddings",
];

/// An argument that is none where it stands, with what was probably meant: a key of the config as in
/// `--train.epochs 2`, or a file whose lines are to be read.
fn unexpected(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    if let Some(option) = argument.strip_prefix("--") {
        let key = option.split('=').next().filter(|key| key.contains('.'))?;
        return Some(format!(
            "--{key}; keys of the config are overridden without dashes: {key}=VALUE"
        ));
    }
    let command = std::env::args().find(|word| READ_LINES.contains(&word.as_str()))?;
    std::path::Path::new(argument).is_file().then(|| {
        format!("{argument}; {command} reads standard input: xldistill {command} … < {argument}")
    })
}

fn run(matches: &ArgMatches, terminal: &Terminal) -> anyhow::Result<()> {
    if let Some((command, matches)) = matches.subcommand()
        && let Some(stage) = systems::stage_commands()
            .iter()
            .find(|stage| stage.command == command)
    {
        let arguments = match stage.shardable {
            true => read::<RunArguments>(matches),
            false => RunArguments {
                config: read::<ConfigArguments>(matches),
                shard: None,
            },
        };
        if command == "evaluate" {
            match read::<EvaluateArguments>(matches) {
                EvaluateArguments { rescore: true, .. } => {
                    return commands::rescore::run(&arguments.config, terminal);
                }
                EvaluateArguments {
                    model: Some(model), ..
                } => {
                    return commands::evaluate_model::run(&arguments.config, &model, terminal);
                }
                _ => {}
            }
        }
        return commands::run::stages(&arguments, Some(command), Some(command), false, terminal);
    }
    match read::<Command>(matches) {
        Command::Run {
            config,
            from,
            until,
            dry_run,
        } => commands::run::stages(
            &config,
            from.as_deref(),
            until.as_deref(),
            dry_run,
            terminal,
        ),
        Command::Grid(arguments) => commands::grid::run(&arguments, terminal),
        Command::Inside(arguments) => commands::inside::run(&arguments, terminal),
        Command::Compare(arguments) => commands::compare::run(&arguments),
        Command::Plan(arguments) => commands::plan::run(&arguments),
        Command::Inspect(config) => commands::inspect::run(&config),
        Command::Generate(arguments) => commands::generate::run(&arguments, terminal),
        Command::Chat(arguments) => commands::chat::run(&arguments),
        Command::Export(arguments) => commands::export::run(&arguments),
        Command::Clean(arguments) => commands::clean::run(&arguments),
        Command::Perplexity(arguments) => commands::perplexity::run(&arguments),
        Command::TranslateText(arguments) => commands::translate_text::run(arguments),
        Command::Identify(arguments) => commands::identify::run(arguments),
        Command::Predict(arguments) => commands::predict::run(&arguments),
        Command::ExportEmbeddings(arguments) => commands::export_embeddings::run(&arguments),
        Command::EstimateQuality(arguments) => commands::estimate_quality::run(arguments),
        Command::Score(command) => commands::score::run(&command),
        Command::Calibrate(arguments) => commands::calibrate::run(&arguments, terminal),
        Command::Init {
            path,
            target,
            system,
            force,
        } => commands::init::run(&path, system, &target, force),
        Command::Doctor {
            config,
            overrides,
            device,
        } => {
            let config = config.map(|config| ConfigArguments {
                config,
                overrides,
                device,
            });
            commands::doctor::run(config.as_ref())
        }
        Command::ConfigReference => {
            io::stdout().write_all(reference::document().as_bytes())?;
            Ok(())
        }
        Command::Completions { shell } => {
            // clap_complete panics if the reader of the pipe is gone.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut arguments::command(), "xldistill", &mut script);
            io::stdout().write_all(&script)?;
            Ok(())
        }
    }
}

/// The arguments of a command, which clap has validated.
fn read<T: FromArgMatches>(matches: &ArgMatches) -> T {
    T::from_arg_matches(matches).unwrap_or_else(|error| error.exit())
}

/// An error with its causes, without causes that the message already quotes.
fn describe(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    corpus::plain_words::in_plain_words(&message)
}

/// Log lines go to standard error; `RUST_LOG` filters more finely than -v.
fn log(output: &Output) {
    let level = match (output.quiet, output.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        (_, 2) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // The error of a writer would be printed, which panics if nobody reads standard error.
        .log_internal_errors(false)
        .event_format(WordsOnly)
        .with_writer(io::stderr)
        .init();
}

/// Log lines as notes of the program, `warning: …`, without the names of modules.
struct WordsOnly;

impl<S, N> FormatEvent<S, N> for WordsOnly
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        let level = event.metadata().level();
        let line = match *level {
            Level::ERROR => format!("error: {fields}"),
            Level::WARN => format!("warning: {fields}"),
            Level::INFO => fields,
            _ => format!("{}: {fields}", event.metadata().target()),
        };
        writeln!(writer, "{}", terminal::fitting(&line))
    }
}

/// Whether a reader such as `head` closed the pipe, which is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
