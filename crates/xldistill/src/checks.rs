//! Checks before the first stage of a run.

use anyhow::{Result, bail};

use crate::describe;

/// Collects the outcomes of checks.
pub struct Checks<'a> {
    /// Whether engines are loaded and tried as well, as in `doctor`; otherwise, only files are
    /// checked.
    pub thorough: bool,
    show: &'a mut dyn FnMut(&str, &Result<String>) -> Result<()>,
    /// The causes of failures so far.
    failures: Vec<String>,
}

impl<'a> Checks<'a> {
    /// Checks with outcomes shown by `show`.
    pub fn new(
        thorough: bool,
        show: &'a mut dyn FnMut(&str, &Result<String>) -> Result<()>,
    ) -> Self {
        Self {
            thorough,
            show,
            failures: Vec::new(),
        }
    }

    /// Records the outcome of checking `what`: a detail, or an error. An error with the same cause
    /// as an earlier one is not shown.
    pub fn add(&mut self, what: &str, outcome: Result<String>) -> Result<()> {
        if let Err(error) = &outcome {
            // What the system says of one file, it says of the next.
            let cause = match error.root_cause() {
                cause if cause.is::<std::io::Error>() => describe(error),
                cause => cause.to_string(),
            };
            if self.failures.iter().any(|known| known.contains(&cause)) {
                return Ok(());
            }
            self.failures.push(cause);
        }
        (self.show)(what, &outcome)
    }

    /// Says something about `what` that stops no run.
    pub fn warn(&mut self, what: &str, warning: &str) -> Result<()> {
        match self.thorough {
            true => (self.show)(what, &Ok(format!("WARNING: {warning}"))),
            false => {
                tracing::warn!("{what}: {warning}");
                Ok(())
            }
        }
    }

    /// Fails if a check failed.
    pub fn finish(self) -> Result<()> {
        match self.failures.len() {
            0 => Ok(()),
            1 => bail!("1 check failed"),
            failures => bail!("{failures} checks failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[test]
    fn a_second_missing_file_is_no_known_cause() {
        let mut shown = Vec::new();
        let mut show = |what: &str, _: &Result<String>| {
            shown.push(what.to_owned());
            Ok(())
        };
        let mut checks = Checks::new(true, &mut show);
        for (what, file) in [
            ("text", "a.tsv"),
            ("dictionary", "b.txt"),
            ("again", "a.tsv"),
        ] {
            let missing = anyhow::Error::from(Error::from(ErrorKind::NotFound));
            let outcome = Err(missing.context(format!("cannot read {file}")));
            checks.add(what, outcome).expect("shown");
        }
        assert!(checks.finish().is_err());
        assert_eq!(shown, ["text", "dictionary"]);
    }
}
