//! Requests that fail alone, such as a question that a content filter refuses: the others go on,
//! until so many have failed that the server or the config must be at fault.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Failures from which their share says something.
const FEW: usize = 10;

/// Counts the requests of an endpoint that succeeded and failed.
pub(crate) struct Tolerance {
    max_failed_share: f64,
    succeeded: AtomicUsize,
    failed: AtomicUsize,
    first: OnceLock<String>,
}

impl Tolerance {
    /// At most this share of requests may fail.
    pub(super) fn new(max_failed_share: f64) -> Self {
        Self {
            max_failed_share,
            succeeded: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            first: OnceLock::new(),
        }
    }

    /// A request succeeded.
    pub(crate) fn succeeded(&self) {
        self.succeeded.fetch_add(1, Ordering::Relaxed);
    }

    /// A request failed with `message`.
    ///
    /// # Errors
    /// If too many have failed, with their number and the message of the first.
    pub(crate) fn failed(&self, message: &str) -> Result<(), String> {
        let first = self.first.get_or_init(|| message.to_owned());
        let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = failed + self.succeeded.load(Ordering::Relaxed);
        tracing::warn!("a request failed and is left out: {message}");
        match failed >= FEW && failed as f64 > self.max_failed_share * asked as f64 {
            true => Err(format!(
                "{failed} of {asked} requests failed, more than max_failed_share = {} allows; the first: {first}",
                self.max_failed_share
            )),
            false => Ok(()),
        }
    }

    /// The message of the first failure.
    pub(crate) fn first(&self) -> Option<&str> {
        self.first.get().map(String::as_str)
    }

    /// Whether no request has succeeded.
    pub(crate) fn none_succeeded(&self) -> bool {
        self.succeeded.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_failures_are_tolerated_and_many_stop_with_the_first_message() {
        let tolerance = Tolerance::new(0.2);
        assert!(tolerance.none_succeeded());
        (0..50).for_each(|_| tolerance.succeeded());
        for number in 1..=12 {
            assert_eq!(
                tolerance.failed(&format!("refusal {number}")),
                Ok(()),
                "{number}"
            );
        }
        let error = tolerance.failed("refusal 13").expect_err("13 of 63");
        assert_eq!(
            error,
            "13 of 63 requests failed, more than max_failed_share = 0.2 allows; the first: refusal 1"
        );
        // One refused question after many answers, or at the very beginning, stops nothing.
        let tolerance = Tolerance::new(0.2);
        assert_eq!(tolerance.failed("refusal"), Ok(()));
        // A share of 1 tolerates everything.
        let tolerance = Tolerance::new(1.0);
        assert!((0..100).all(|_| tolerance.failed("refusal").is_ok()));
    }
}
