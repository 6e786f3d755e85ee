//! Paths in a report: absolute ones name users and machines.

use std::path::{MAIN_SEPARATOR, Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;

/// Settings of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReportConfig {
    /// `relative` writes paths relative to the folder of the run, for reports that are published; one
    /// that has no folder in common with it stays. `absolute` writes them as they are.
    pub paths: ReportPaths,
}

/// The form of paths in a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReportPaths {
    /// As they are.
    #[default]
    Absolute,
    /// Relative to the folder of the run.
    Relative,
}

impl Report {
    /// The report with paths as `config` says; `folder` is the folder of the run.
    pub fn with_paths(mut self, config: &ReportConfig, folder: &Path) -> Self {
        if config.paths == ReportPaths::Relative {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
            let models = self.models.iter_mut().map(|used| &mut used.identity.model);
            for text in models.chain(&mut self.model).chain(&mut self.config) {
                *text = relative(text, &folder);
            }
        }
        self
    }
}

/// `text` with paths relative to `folder`: its own path is `.`, and that of each folder around it, up
/// to the first below the root, becomes `..`.
fn relative(text: &str, folder: &Path) -> String {
    let mut text = text.to_owned();
    for (up, ancestor) in folder.ancestors().enumerate() {
        if ancestor.parent().is_none() {
            break;
        }
        let path = ancestor.display().to_string();
        let way = match up {
            0 => ".".to_owned(),
            up => vec![".."; up].join("/"),
        };
        text = replaced(&text, &path, &way);
    }
    text
}

/// `text` with `way` in place of the path `path`, but not where it is the beginning of a longer name
/// or the end of a longer path.
fn replaced(text: &str, path: &str, way: &str) -> String {
    let in_name = |c: char| c.is_alphanumeric() || ['-', '_', '.'].contains(&c);
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(path) {
        let (before, after) = (&rest[..at], &rest[at + path.len()..]);
        let whole = !before.ends_with(in_name) && !after.starts_with(in_name);
        replaced.push_str(before);
        replaced.push_str(if whole { way } else { path });
        rest = after;
    }
    let mut whole = replaced + rest;
    // The folder itself, followed by a name.
    let own = format!(".{MAIN_SEPARATOR}");
    if way == "." && whole.starts_with(&own) {
        whole.drain(..own.len());
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_from_the_folder_of_the_run() {
        let folder = Path::new("/home/me/work/run");
        for (text, expected) in [
            ("/home/me/work/run/model", "model"),
            ("/home/me/models/tiny", "../../models/tiny"),
            ("/home/you/models", "../../../you/models"),
            ("/home/me/work/run-2/model", "../run-2/model"),
            ("output = \"/home/me/work/run\"", "output = \".\""),
            ("/opt/models/tiny", "/opt/models/tiny"),
            ("/data/home/me/x", "/data/home/me/x"),
            ("whatlang", "whatlang"),
        ] {
            assert_eq!(relative(text, folder), expected, "{text}");
        }
    }
}
