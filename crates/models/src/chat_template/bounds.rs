//! Limits for chat templates, which are programs and come with downloaded models.
//!
//! The length of the source bounds how deep it can be nested, and fuel how long it runs. Neither
//! bounds memory (a text that is doubled forty times), so a template is tried, and always rendered,
//! under watch on another thread.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use minijinja::{Environment, Error, ErrorKind, Value};

use super::{ChatTemplateError, environment};
use crate::allowance;
use crate::panic_boundary::guarded;

/// Why a template cannot be used.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    Syntax(String),
    Render(String),
    Excessive(String),
}

impl From<Fault> for ChatTemplateError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax(message) => Self::Syntax(message),
            Fault::Render(message) => Self::Render(message),
            Fault::Excessive(message) => Self::Excessive(message),
        }
    }
}

/// Maximum length of a template in bytes; the longest of published models have 30 kB.
const SOURCE: usize = 128 << 10;
/// Instructions that a template may execute in a trial and for a conversation. A turn takes about a
/// hundred. Values nested by so many instructions can be dropped on any thread's stack.
const TRIAL_FUEL: u64 = 10_000;
const FUEL: u64 = 100_000;
/// Depth of macros within macros.
const DEPTH: usize = 100;
/// Maximum length of a rendered conversation in bytes.
const OUTPUT: usize = 32 << 20;
/// Stack of the thread that compiles: enough for operators nested as deep as the source is long.
const STACK: usize = 1 << 30;
/// Maximum time and memory, in bytes, of a trial and of a rendering.
const TIME: Duration = Duration::from_secs(10);
const MEMORY: usize = 128 << 20;

/// Compiles a template and tries it, on a thread that is watched.
pub(super) fn compile<T: Send + 'static>(
    source: &str,
    attempt: impl FnOnce(&Environment<'static>) -> Result<T, Fault> + Send + 'static,
) -> Result<(Environment<'static>, T), Fault> {
    if source.len() > SOURCE {
        let length = source.len() >> 10;
        return Err(Fault::Excessive(format!(
            "is {length} kB long, and {} are read",
            SOURCE >> 10
        )));
    }
    let source = source.to_owned();
    watched(move || {
        let failed = |error: Error| Fault::Syntax(with_causes(&error));
        let mut environment = environment::compile(&source).map_err(failed)?;
        environment.set_recursion_limit(DEPTH);
        environment.set_fuel(Some(TRIAL_FUEL));
        let result = attempt(&environment)?;
        environment.set_fuel(Some(FUEL));
        Ok((environment, result))
    })
}

/// Renders the template for every one of `contexts`, on a thread that is watched; fails with the
/// index of the first that cannot be rendered.
///
/// All of them are one piece of work, since handing it over takes as long as rendering a question.
/// If they exceed a bound together, each is rendered by itself.
pub(super) fn render_watched(
    environment: &Arc<Environment<'static>>,
    contexts: Vec<Value>,
) -> Result<Vec<String>, (usize, Fault)> {
    let rendered = |contexts: Vec<Value>| {
        let environment = Arc::clone(environment);
        watched(move || {
            let texts = contexts.iter().enumerate().map(|(index, context)| {
                let text = render(&environment, context);
                text.map_err(|fault| (index, fault))
            });
            Ok(texts.collect::<Result<Vec<_>, _>>())
        })
    };
    match rendered(contexts.clone()) {
        Ok(texts) => texts,
        Err(fault) if contexts.len() == 1 => Err((0, fault)),
        Err(_) => {
            let alone = contexts.into_iter().enumerate().map(|(index, context)| {
                let text = rendered(vec![context]).map_err(|fault| (index, fault))?;
                text.map_err(|(_, fault)| (index, fault))
                    .map(|mut text| text.remove(0))
            });
            alone.collect()
        }
    }
}

/// Renders the template.
pub(super) fn render(environment: &Environment<'static>, context: &Value) -> Result<String, Fault> {
    let mut output = Limited(Vec::new());
    let rendered = guarded(|| {
        let template = environment.get_template(environment::NAME)?;
        template
            .render_captured_to(context, &mut output)
            .map(|_| ())
    });
    let full = output.0.len() >= OUTPUT;
    match rendered {
        Ok(Ok(())) => String::from_utf8(output.0).map_err(|error| Fault::Render(error.to_string())),
        Ok(Err(error)) if error.kind() == ErrorKind::OutOfFuel => Err(Fault::Excessive(
            "does not come to an end (100,000 instructions, 10,000 for a question of one word)"
                .into(),
        )),
        _ if full => Err(Fault::Excessive(format!(
            "writes more than {} MB",
            OUTPUT >> 20
        ))),
        Ok(Err(error)) => Err(Fault::Render(with_causes(&error))),
        Err(panic) => Err(Fault::Render(panic)),
    }
}

/// A piece of work for a worker.
type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    /// The worker of this thread, since a thread with so much stack takes long to start.
    static WORKER: Cell<Option<Sender<Job>>> = const { Cell::new(None) };
}

/// A thread that does one job after another, until nobody has its sender.
fn worker() -> io::Result<Sender<Job>> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let thread = thread::Builder::new().stack_size(STACK);
    thread.spawn(move || jobs.into_iter().for_each(|job| job()))?;
    Ok(sender)
}

/// Runs `work` on another thread until it ends, or takes too long or too much memory. A thread
/// cannot be stopped: what takes too long goes on until its fuel is used up, and its thread gets no
/// more work.
fn watched<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let exceeded = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let theirs = Arc::clone(&exceeded);
    let job = Box::new(move || {
        let limit = allowance::limit(MEMORY, &theirs);
        let result = guarded(work);
        drop(limit);
        // Nobody waits any more if the work was given up.
        let _ = sender.send(result);
    });
    let worker = WORKER.take().map_or_else(worker, Ok);
    let worker = worker.map_err(|error| Fault::Render(error.to_string()))?;
    let stopped = || Fault::Syntax("the template engine stopped".into());
    worker.send(job).map_err(|_| stopped())?;
    let begun = Instant::now();
    loop {
        match receiver.recv_timeout(Duration::from_millis(2)) {
            Ok(result) => {
                WORKER.set(Some(worker));
                return result.unwrap_or_else(|panic| Err(Fault::Syntax(panic)));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let excess = match () {
            () if exceeded.load(Ordering::Acquire) => {
                format!("takes more than {} MB of memory", MEMORY >> 20)
            }
            () if begun.elapsed() > TIME => format!("takes more than {} s", TIME.as_secs()),
            () => continue,
        };
        return Err(Fault::Excessive(excess));
    }
}

/// Text of limited length.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = OUTPUT - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        match bytes.len() > room {
            true => Err(io::Error::other("the text is too long")),
            false => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error and its cause on one line; minijinja keeps the message of `raise_exception` in the
/// cause.
fn with_causes(error: &minijinja::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
