//! The evaluations before and after, side by side.

use std::path::PathBuf;

use corpus::language::Language;

use crate::results::{Results, TaskRecord};
use crate::task::Sample;

/// The results of a run's two evaluations, if they exist.
pub(super) struct Evaluations<'a> {
    pub before: Option<&'a Results>,
    pub after: Option<&'a Results>,
    /// Folder of both.
    pub folder: PathBuf,
}

impl Evaluations<'_> {
    /// The tasks of both evaluations in the order of their presentation; the source language comes
    /// last among equals.
    pub fn tasks(&self) -> Vec<String> {
        let mut tasks: Vec<(u32, bool, &String)> = Vec::new();
        for details in self.present().map(|results| &results.xldistill) {
            tasks.extend(details.tasks.iter().map(|(name, record)| {
                let is_source = record.language == details.source;
                (record.presentation.order, is_source, name)
            }));
        }
        tasks.sort();
        tasks.dedup();
        tasks.into_iter().map(|(_, _, name)| name.clone()).collect()
    }

    /// Scores of a task before and after.
    pub fn records(&self, task: &str) -> (Option<&TaskRecord>, Option<&TaskRecord>) {
        let [old, new] =
            [self.before, self.after].map(|results| results?.xldistill.tasks.get(task));
        (old, new)
    }

    /// Number of documents of a task.
    pub fn documents(&self, task: &str) -> usize {
        let counts = self
            .present()
            .filter_map(|results| results.samples.get(task));
        counts.last().map_or(0, |count| count.effective)
    }

    /// Samples of a task before and after; empty if there are none.
    pub fn samples(&self, task: &str) -> (Vec<Sample>, Vec<Sample>) {
        let read = |which: &str| {
            crate::suite::read_samples(&self.folder.join(which).join(Results::samples_file(task)))
        };
        (read("before"), read("after"))
    }

    /// The same, if both evaluations used the same documents.
    pub fn paired_samples(&self, task: &str) -> Option<(Vec<Sample>, Vec<Sample>)> {
        let (before, after) = (self.before?, self.after?);
        if before.task_hashes.get(task)? != after.task_hashes.get(task)? {
            return None;
        }
        let (old, new) = self.samples(task);
        (!old.is_empty() && old.len() == new.len()).then_some((old, new))
    }

    /// The language the model is strong in.
    pub fn source(&self) -> Option<Language> {
        self.present()
            .last()
            .map(|results| results.xldistill.source)
    }

    /// The languages evaluated, except the source.
    pub fn targets(&self) -> Vec<Language> {
        let mut targets = Vec::new();
        for details in self.present().map(|results| &results.xldistill) {
            let languages = details.tasks.values().map(|task| task.language);
            targets.extend(languages.filter(|&language| language != details.source));
        }
        targets.sort();
        targets.dedup();
        targets
    }

    /// The existing evaluations, the one before training first.
    pub fn present(&self) -> impl Iterator<Item = &Results> {
        [self.before, self.after].into_iter().flatten()
    }
}
