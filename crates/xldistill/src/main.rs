//! xldistill: teach an open LLM a language it is weak in, from what it already knows in one it is
//! strong in.
//!
//! The binary turns arguments ([`arguments`]) and a config ([`config`]) into engines ([`wiring`])
//! and stages ([`pipeline`]); all logic is in the libraries.

mod arguments;
mod commands;
mod config;
mod config_file;
mod lines;
mod pipeline;
mod terminal;
mod wiring;

use std::{io, process::ExitCode};

use arguments::{Arguments, Command, ConfigArguments, StageName};
use clap::{CommandFactory, Parser};
use config_file::ConfigError;
use terminal::Terminal;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Exit code of wrong arguments and configs, as clap has it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log(&arguments);
    models::kernels::retain_memory();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", describe(&error));
            match error.downcast_ref::<ConfigError>() {
                Some(_) => ExitCode::from(USAGE),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let terminal = Terminal::new(arguments.quiet);
    let stage = |config: &ConfigArguments, stage: StageName| {
        commands::run::stages(config, stage, stage, false, &terminal)
    };
    match &arguments.command {
        Command::Run {
            config,
            from,
            until,
            dry_run,
        } => commands::run::stages(
            config,
            from.unwrap_or(StageName::Answer),
            until.unwrap_or(StageName::Report),
            *dry_run,
            &terminal,
        ),
        Command::Answer(config) => stage(config, StageName::Answer),
        Command::Translate(config) => stage(config, StageName::Translate),
        Command::Filter(config) => stage(config, StageName::Filter),
        Command::CodeSwitch(config) => stage(config, StageName::CodeSwitch),
        Command::Mix(config) => stage(config, StageName::Mix),
        Command::Train(config) => stage(config, StageName::Train),
        Command::Evaluate(config) => stage(config, StageName::Evaluate),
        Command::Report(config) => stage(config, StageName::Report),
        Command::Inspect(config) => commands::inspect::run(config),
        Command::Generate(arguments) => commands::generate::run(arguments, &terminal),
        Command::Perplexity(arguments) => commands::perplexity::run(arguments),
        Command::TranslateText(arguments) => commands::translate_text::run(arguments),
        Command::Identify(arguments) => commands::identify::run(arguments),
        Command::EstimateQuality(arguments) => commands::estimate_quality::run(arguments),
        Command::Score(command) => commands::score::run(command),
        Command::Calibrate(arguments) => commands::calibrate::run(arguments, &terminal),
        Command::Init {
            path,
            target,
            force,
        } => commands::init::run(path, target, *force),
        Command::Doctor { config } => commands::doctor::run(config.as_deref()),
        Command::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut Arguments::command(),
                "xldistill",
                &mut io::stdout(),
            );
            Ok(())
        }
    }
}

/// An error with its causes; a cause that the message before it quotes already is not repeated.
fn describe(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Log lines go to standard error; `RUST_LOG` chooses more finely than -v.
fn log(arguments: &Arguments) {
    let level = match (arguments.quiet, arguments.verbose) {
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
        .with_writer(io::stderr)
        .without_time()
        .init();
}

/// A reader such as `head` that has seen enough is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
