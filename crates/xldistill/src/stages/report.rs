//! Writes the report.

use std::io::Write;

use anyhow::Result;

use super::{Stage, evaluate};
use crate::checks::Checks;
use crate::run::Run;

/// The stage.
pub struct Report;

impl Stage for Report {
    fn name(&self) -> &'static str {
        "report"
    }

    fn about(&self) -> &'static str {
        "write report.html and report.json, and show the scores"
    }

    /// None: a report can be written at any time. In a whole run, it comes last.
    fn depends_on(&self) -> &'static [&'static str] {
        &[evaluate::NAME]
    }

    fn check(&self, _: &Run<'_>, _: &mut Checks<'_>) -> Result<()> {
        Ok(())
    }

    fn work(&self, run: &Run<'_>) -> Result<String> {
        let output = &run.config.output;
        let report = evaluation::report::Report::gather(output)?;
        let page = report.write(output)?;
        let table = evaluation::report::terminal::render(&report, None);
        writeln!(std::io::stdout(), "{table}")?;
        Ok(page.display().to_string())
    }
}
