//! Progress: a bar on a terminal, a line per minute elsewhere.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use console::Term;
use corpus::progress::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::interruption;
use crate::pace::Pace;
use crate::wrapping::wrapped;

/// Time between lines if standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(60);
/// Columns of a terminal that does not tell.
const WIDTH: usize = 80;

/// Writes a line to standard error, broken between words on a terminal. Nobody may be reading it, or
/// its disk may be full; that is no reason to end the work (`eprintln!` panics).
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", fitting(text));
}

/// `text` as standard output shows it: broken between words on a terminal.
pub fn printed(text: &str) -> String {
    columns().map_or_else(|| text.to_owned(), |columns| wrapped(text, columns.into()))
}

/// `text` as standard error shows it.
pub fn fitting(text: &str) -> String {
    match Term::stderr().size_checked() {
        Some((_, columns)) => wrapped(text, usize::from(columns)),
        None => text.to_owned(),
    }
}

/// Shows progress on standard error.
pub struct Terminal {
    interactive: bool,
    quiet: bool,
    current: Mutex<Option<Work>>,
    /// When the last line was printed: of any task, so that many short ones are not silent.
    last_line: Mutex<Instant>,
}

struct Work {
    task: String,
    bar: ProgressBar,
    state: Arc<Mutex<WorkState>>,
    has_line: bool,
    /// Whether the last line was printed with all units done.
    line_is_last: bool,
}

/// What the bar shows beside its position.
struct WorkState {
    pace: Pace,
    status: String,
}

/// Where a task stands.
struct Standing<'s> {
    task: &'s str,
    done: u64,
    total: Option<u64>,
    per_second: Option<f64>,
    status: &'s str,
}

/// Columns of the terminal that standard output goes to; `None` if it goes elsewhere.
pub fn columns() -> Option<u16> {
    Term::stdout().size_checked().map(|(_, columns)| columns)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Terminal {
    /// A bar if standard error is a terminal, otherwise a line per minute; nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let interactive = std::io::stderr().is_terminal() && !quiet;
        Self {
            interactive,
            quiet,
            current: Mutex::new(None),
            last_line: Mutex::new(Instant::now()),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Work) -> T) -> Option<T> {
        lock(&self.current).as_mut().map(act)
    }
}

impl Work {
    fn line(&self) -> String {
        let state = lock(&self.state);
        let standing = Standing {
            task: &self.task,
            done: self.bar.position(),
            total: self.bar.length(),
            per_second: state.pace.per_second(),
            status: &state.status,
        };
        standing.line()
    }
}

impl Standing<'_> {
    /// For a file or a pipe.
    fn line(&self) -> String {
        let parts = self.parts();
        format!("{}: {}", self.task, parts.join(", "))
    }

    /// What there is to say, the most important first.
    fn parts(&self) -> Vec<String> {
        let done = self.done;
        let mut parts = vec![match self.total {
            Some(total) => format!("{done}/{total}"),
            None => done.to_string(),
        }];
        if let Some(per_second) = self.per_second {
            if let Some(total) = self.total.filter(|total| *total > done) {
                let left = (total - done) as f64 / per_second.max(1e-6);
                parts.push(format!("{} left", readable(Duration::from_secs_f64(left))));
            }
            parts.push(rate(per_second));
        }
        if !self.status.is_empty() {
            parts.push(self.status.to_owned());
        }
        parts
    }

    /// One row of a terminal of `width` columns: the task, a bar, and as many parts as fit.
    fn row(&self, width: usize) -> (String, String, String) {
        // The last column stays free: some terminals break the line in it.
        let width = width.saturating_sub(1);
        let task: String = match self.task.chars().count() {
            count if count > width / 3 => {
                let kept = (width / 3).saturating_sub(1);
                self.task.chars().take(kept).chain(['…']).collect()
            }
            _ => format!("{:>12}", self.task),
        };
        let mut room = width.saturating_sub(task.chars().count() + 1);
        let mut text = String::new();
        for part in self.parts() {
            let needed = part.chars().count() + 2;
            if needed > room {
                break;
            }
            room -= needed;
            text += &format!("  {part}");
        }
        let bar = match self.total {
            Some(total) if room >= 8 => {
                let length = room.min(32);
                let share = self.done as f64 / total.max(1) as f64;
                let full = (share.min(1.0) * length as f64).round() as usize;
                format!("{}{}", "━".repeat(full), "─".repeat(length - full))
            }
            _ => String::new(),
        };
        (task, bar, text)
    }
}

/// A rate; of slow work, the time that a unit takes.
fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 100.0 => format!("{rate:.0}/s"),
        rate if rate >= 0.2 => format!("{rate:.1}/s"),
        rate => format!(
            "{} each",
            readable(Duration::from_secs_f64(1.0 / rate.max(1e-6)))
        ),
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
        let state = Arc::new(Mutex::new(WorkState {
            pace: Pace::begin(Instant::now(), 0),
            status: String::new(),
        }));
        let (name, shown) = (task.to_owned(), Arc::clone(&state));
        let row = move |position: &ProgressState, out: &mut dyn std::fmt::Write| {
            let shown = lock(&shown);
            let width = Term::stderr().size_checked();
            let width = width.map_or(WIDTH, |(_, columns)| usize::from(columns));
            let standing = Standing {
                task: &name,
                done: position.pos(),
                total: position.len(),
                per_second: shown.pace.per_second(),
                status: &shown.status,
            };
            let (task, bar, text) = standing.row(width);
            let styled = |text: String| console::style(text).for_stderr();
            // A failed write to a string cannot happen, and would leave out the row.
            let _ = write!(out, "{} {}{text}", styled(task).bold(), styled(bar).cyan());
        };
        let style = ProgressStyle::with_template("{row}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("row", row);
        bar.set_style(style);
        let work = Work {
            task: task.to_owned(),
            bar,
            state,
            has_line: false,
            line_is_last: false,
        };
        *lock(&self.current) = Some(work);
    }

    fn advance(&self, units: u64) {
        let line = self.with(|work| {
            // Before the bar, which may draw itself.
            let done = work.bar.position() + units;
            lock(&work.state).pace.advance(Instant::now(), done);
            work.bar.inc(units);
            let mut last_line = lock(&self.last_line);
            if self.interactive || last_line.elapsed() < LINE_INTERVAL {
                return None;
            }
            *last_line = Instant::now();
            work.has_line = true;
            work.line_is_last = Some(work.bar.position()) == work.bar.length();
            Some(work.line())
        });
        if let Some(Some(text)) = line
            && !self.quiet
        {
            self::line(&text);
        }
    }

    fn already_done(&self, units: u64) {
        self.with(|work| {
            let done = work.bar.position() + units;
            lock(&work.state).pace = Pace::begin(Instant::now(), done);
            work.bar.set_position(done);
        });
    }

    fn status(&self, text: &str) {
        self.with(|work| {
            text.clone_into(&mut lock(&work.state).status);
            work.bar.tick();
        });
    }

    fn note(&self, text: &str) {
        if self.quiet {
            return;
        }
        // Above the bar, so that the bar does not overwrite the line.
        let shown = self.with(|work| {
            if self.interactive {
                work.bar.println(fitting(text));
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
        if let Some(work) = lock(&self.current).take() {
            let text = work.line();
            work.bar.finish_and_clear();
            // The last line may have said it all.
            if !self.quiet && work.has_line && !self.interactive && !work.line_is_last {
                line(&text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(task: &str) -> Standing<'_> {
        Standing {
            task,
            done: 21,
            total: Some(51),
            per_second: Some(0.08),
            status: "loss 2.311, 128 tokens/s",
        }
    }

    #[test]
    fn durations_are_readable() {
        assert_eq!(readable(Duration::from_secs(48)), "48s");
        assert_eq!(readable(Duration::from_secs(723)), "12m 03s");
        assert_eq!(readable(Duration::from_secs(12_000)), "3h 20m");
    }

    #[test]
    fn a_line_says_task_time_left_and_rate() {
        assert_eq!(
            standing("train").line(),
            "train: 21/51, 6m 15s left, 12s each, loss 2.311, 128 tokens/s"
        );
    }

    #[test]
    fn a_row_fits_every_width_and_leaves_out_whole_parts() {
        for task in ["train", "held_out_loss_TL_por_Latn, encoder alone"] {
            for width in 20..160 {
                let (task, bar, text) = standing(task).row(width);
                let row = format!("{task} {bar}{text}");
                assert!(row.chars().count() < width, "{width}: {row}");
                assert!(!row.contains('\u{1b}'), "{row:?}");
            }
        }
        let (task, bar, text) = standing("train").row(80);
        assert_eq!(
            text,
            "  21/51  6m 15s left  12s each  loss 2.311, 128 tokens/s"
        );
        assert_eq!(task, "       train");
        assert!(bar.is_empty() || bar.chars().count() >= 8, "{bar}");
        let (_, bar, _) = standing("train").row(120);
        assert_eq!(bar.chars().count(), 32);
        let (_, _, narrow) = standing("train").row(40);
        assert_eq!(narrow, "  21/51  6m 15s left");
    }
}
