//! How fast work goes on, from the last minutes of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is older does not count: long enough that training steps between two measurements of the
/// held-out loss do not look faster than they are together with these.
const WINDOW: Duration = Duration::from_secs(600);
/// Time between two marks, so that fast work leaves few.
const BETWEEN: Duration = Duration::from_secs(1);

/// Marks of how much was done when. Between two of them the pace stays as it is: what is measured or
/// saved there says nothing of the units.
pub struct Pace {
    marks: VecDeque<(Instant, u64)>,
    /// Whether the last mark may still move.
    is_open: bool,
}

impl Pace {
    /// Work begins, of which `done` units were done before.
    pub fn begin(now: Instant, done: u64) -> Self {
        Self {
            marks: [(now, done)].into(),
            is_open: false,
        }
    }

    /// `done` units are done.
    pub fn advance(&mut self, now: Instant, done: u64) {
        if self.is_open {
            self.marks.pop_back();
        }
        let before = self.marks.back();
        self.is_open = before.is_some_and(|(time, _)| now - *time < BETWEEN);
        self.marks.push_back((now, done));
        while self.marks.len() > 2 && now - self.marks[1].0 >= WINDOW {
            self.marks.pop_front();
        }
    }

    /// Units per second; `None` before the first.
    pub fn per_second(&self) -> Option<f64> {
        let ((first, before), (last, done)) = (self.marks.front()?, self.marks.back()?);
        let seconds = (*last - *first).as_secs_f64();
        (done > before && seconds > 0.0).then(|| (done - before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: f64) -> Instant {
        start + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn units_of_an_earlier_run_say_nothing() {
        let start = Instant::now();
        let mut pace = Pace::begin(start, 40);
        assert_eq!(pace.per_second(), None);
        pace.advance(after(start, 8.0), 41);
        assert_eq!(pace.per_second(), Some(0.125));
    }

    #[test]
    fn a_pause_counts_with_the_unit_after_it() {
        let start = Instant::now();
        let mut pace = Pace::begin(start, 0);
        for step in 1..=10_u32 {
            pace.advance(after(start, f64::from(step)), step.into());
        }
        assert_eq!(pace.per_second(), Some(1.0));
        pace.advance(after(start, 44.0), 11);
        assert_eq!(pace.per_second(), Some(0.25));
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let start = Instant::now();
        let mut pace = Pace::begin(start, 0);
        // Ten times as fast in the first quarter of an hour.
        for second in 1..=900_u32 {
            pace.advance(after(start, f64::from(second)), 10 * u64::from(second));
        }
        for second in 1..=600_u32 {
            pace.advance(
                after(start, 900.0 + f64::from(second)),
                9000 + u64::from(second),
            );
        }
        assert_eq!(pace.per_second(), Some(1.0));
    }

    #[test]
    fn fast_work_leaves_few_marks() {
        let start = Instant::now();
        let mut pace = Pace::begin(start, 0);
        for unit in 1..=100_000_u32 {
            pace.advance(after(start, f64::from(unit) / 1000.0), unit.into());
        }
        assert!(pace.marks.len() <= 102, "{}", pace.marks.len());
        let rate = pace.per_second().unwrap();
        assert!((rate - 1000.0).abs() < 1e-6, "{rate}");
    }
}
