//! Writes the report: the last stage of every system.

use std::io::Write;

use anyhow::Result;
use artefacts::Key;

use crate::checks::Checks;
use crate::run::Run;
use crate::stages::{Finished, Stage};
use crate::system::SystemConfig;
use crate::terminal::columns;

/// The stage.
pub struct Report;

impl<C: SystemConfig> Stage<C> for Report {
    fn name(&self) -> &'static str {
        "report"
    }

    fn about(&self) -> &'static str {
        "write report.html and report.json, and show the scores"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &["evaluate"]
    }

    fn check(&self, _: &Run<'_, C>, _: &mut Checks<'_>) -> Result<()> {
        Ok(())
    }

    fn key(&self, run: &Run<'_, C>) -> Result<Key> {
        let mut report = evaluation::report::Report::gather(run.config.output())?;
        report.config = Some(run.config_text()?);
        Ok(report
            .with_paths(run.config.report(), run.config.output())
            .key())
    }

    fn finished(&self, run: &Run<'_, C>) -> Option<Finished> {
        let key = evaluation::report::Report::key_of(run.config.output())?;
        Some(Finished { key, rows: None })
    }

    fn work(&self, run: &Run<'_, C>) -> Result<String> {
        let output = run.config.output();
        let report = evaluation::report::Report::gather(output)?;
        let report = report.with_paths(run.config.report(), output);
        let page = report.write(output)?;
        let table = evaluation::report::terminal::render(&report, columns());
        writeln!(std::io::stdout(), "{table}")?;
        Ok(page.display().to_string())
    }
}
