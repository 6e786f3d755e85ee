//! Progress: a bar on a terminal, a line per minute elsewhere.

use std::{
    io::{IsTerminal, Write},
    sync::Mutex,
    time::{Duration, Instant},
};

use corpus::progress::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::interruption;

/// Time between lines if standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// Writes a line to standard error. Nobody may be reading it, or its disk may be full; that is no
/// reason to end the work (`eprintln!` panics).
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Shows progress on standard error.
pub struct Terminal {
    interactive: bool,
    quiet: bool,
    current: Mutex<Option<Work>>,
}

struct Work {
    task: String,
    bar: ProgressBar,
    status: String,
    last_line: Instant,
}

impl Terminal {
    /// A bar if standard error is a terminal, otherwise a line per minute; nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let interactive = std::io::stderr().is_terminal() && !quiet;
        Self {
            interactive,
            quiet,
            current: Mutex::new(None),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Work) -> T) -> Option<T> {
        let mut current = self
            .current
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        current.as_mut().map(act)
    }
}

impl Work {
    fn line(&self) -> String {
        let done = self.bar.position();
        let rate = self.bar.per_sec();
        let mut line = match self.bar.length() {
            Some(total) => format!("{}: {done}/{total}, {rate:.1}/s", self.task),
            None => format!("{}: {done}, {rate:.1}/s", self.task),
        };
        if self.bar.length().is_some_and(|total| total > done) {
            line.push_str(&format!(", {} left", readable(self.bar.eta())));
        }
        if !self.status.is_empty() {
            line.push_str(&format!(", {}", self.status));
        }
        line
    }
}

/// A readable duration: `48s`, `12m 03s`, `3h 20m`.
pub fn readable(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

impl Progress for Terminal {
    fn begin(&self, task: &str, total: Option<u64>) {
        let target = match self.interactive {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => {
                "{prefix:>12.bold} {bar:32.cyan/dim} {pos}/{len}  {per_sec}  {eta} left  {msg}"
            }
            None => "{prefix:>12.bold} {spinner} {pos}  {per_sec}  {msg}",
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━━─");
        bar.set_style(style);
        bar.set_prefix(task.to_owned());
        let work = Work {
            task: task.to_owned(),
            bar,
            status: String::new(),
            last_line: Instant::now(),
        };
        *self
            .current
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(work);
    }

    fn advance(&self, units: u64) {
        let line = self.with(|work| {
            work.bar.inc(units);
            if self.interactive || work.last_line.elapsed() < LINE_INTERVAL {
                return None;
            }
            work.last_line = Instant::now();
            Some(work.line())
        });
        if let Some(Some(text)) = line
            && !self.quiet
        {
            self::line(&text);
        }
    }

    fn status(&self, text: &str) {
        self.with(|work| {
            work.status = text.to_owned();
            work.bar.set_message(text.to_owned());
        });
    }

    fn note(&self, text: &str) {
        if self.quiet {
            return;
        }
        // Above the bar, so that the bar does not overwrite the line.
        let shown = self.with(|work| {
            if self.interactive {
                work.bar.println(text);
            }
        });
        if shown.is_none() || !self.interactive {
            line(text);
        }
    }

    fn ends_itself(&self, does: bool) {
        interruption::ends_itself(does);
    }

    fn is_interrupted(&self) -> bool {
        interruption::has_arrived()
    }

    fn end(&self) {
        let mut current = self
            .current
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(work) = current.take() {
            let text = work.line();
            let elapsed = work.bar.elapsed();
            work.bar.finish_and_clear();
            if !self.quiet && elapsed >= LINE_INTERVAL && !self.interactive {
                line(&text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        assert_eq!(readable(Duration::from_secs(48)), "48s");
        assert_eq!(readable(Duration::from_secs(723)), "12m 03s");
        assert_eq!(readable(Duration::from_secs(12_000)), "3h 20m");
    }
}
