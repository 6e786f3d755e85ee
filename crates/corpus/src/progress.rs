//! Progress of long work, reported without knowing how it is shown.

/// Receives the progress of one piece of work. The binary shows it; tests ignore it.
pub trait Progress: Send + Sync {
    /// Work named `task` begins; `total` units (rows, steps) are expected, if known.
    fn begin(&self, task: &str, total: Option<u64>);
    /// `units` more are done.
    fn advance(&self, units: u64);
    /// `units` more were done by an earlier run: they move the position and tell nothing of the
    /// speed.
    fn already_done(&self, units: u64) {
        self.advance(units);
    }
    /// A short status beside the bar, e.g. `loss 2.31`.
    fn status(&self, text: &str);
    /// A line that stays on the screen.
    fn note(&self, line: &str);
    /// The work that began last has ended.
    fn end(&self);
    /// Work begins (`true`) or ends (`false`) that asks [`Progress::is_interrupted`] and ends by
    /// itself. All other work may be ended at any moment, since what it has done is kept.
    fn ends_itself(&self, _: bool) {}
    /// Whether the work is to end at the next place where it can be resumed.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// Shows nothing.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn status(&self, _: &str) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
}
