//! Has the contenders classify the test sets, and scores their predictions.

use std::path::Path;

use artefacts::{ArtefactError, Lock, now};
use corpus::language::Language;
use corpus::progress::Progress;

use super::plan::{Plan, plans};
use super::test_set::{TaskTest, plain};
use super::turn::{Turn, file};
use super::{
    ClassificationError, ClassificationResults, Contender, Prediction, SetResult, System,
    SystemRecord, comparison, scores,
};
use crate::row_file;
use crate::significance::Resampling;

/// Settings of an evaluation of classifiers.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationConfig {
    /// The evaluated model in a few words, for the report.
    pub title: String,
    /// Number of rows classified between two writes. Part of the key, because batches can affect
    /// results.
    pub batch_size: usize,
    /// Bootstrap of the confidence intervals.
    pub resampling: Resampling,
}

/// Has every contender classify the test sets of its tasks and writes predictions and
/// `classification.json` to `folder`. Contenders take their turns in the order of [`super::ALL`],
/// and each is dropped after its own.
pub fn evaluate(
    mut contenders: Vec<Contender<'_>>,
    sets: &[TaskTest],
    config: &ClassificationConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<ClassificationResults, ClassificationError> {
    contenders.sort_by_key(|contender| System::position(contender.system.name));
    let plans = plans(&contenders, sets)?;
    std::fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
    let _lock = Lock::whole(folder)?;
    let earlier = ClassificationResults::read(folder);
    let mut results = ClassificationResults {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: config.title.clone(),
        source: sets.first().map_or(Language::ENGLISH, |set| set.source),
        systems: systems(&contenders),
        sets: plans.iter().map(Plan::result).collect(),
        means: Vec::new(),
        finished_at: earlier.as_ref().map_or(0.0, |earlier| earlier.finished_at),
        complete: false,
    };
    for contender in contenders {
        for (number, plan) in plans.iter().enumerate() {
            if !contender.takes(plan.set) {
                continue;
            }
            let turn = Turn {
                contender: &contender,
                plan,
                config,
                folder,
                progress,
            };
            let known = earlier.as_ref().and_then(|earlier| plan.of(earlier));
            let worked = turn.take(&mut results.sets[number], known)?;
            if worked {
                results.finished_at = now();
                results.write(folder)?;
            }
        }
    }
    for (set, plan) in results.sets.iter_mut().zip(&plans) {
        let known = earlier.as_ref().and_then(|earlier| plan.of(earlier));
        match known.filter(|known| known.systems == set.systems) {
            Some(known) => {
                set.comparisons = known.comparisons.clone();
                set.changes = known.changes.clone();
            }
            None => compare(set, &folder.join(plan.set.folder()), Some(plan)),
        }
    }
    match earlier
        .as_ref()
        .filter(|earlier| earlier.sets == results.sets)
    {
        Some(earlier) if !earlier.means.is_empty() => results.means = earlier.means.clone(),
        _ => results.find_means(folder, &config.resampling),
    }
    results.complete = true;
    // If nothing changed, the file must not change by a byte.
    if earlier.as_ref() != Some(&results) {
        results.write(folder)?;
    }
    Ok(results)
}

/// Scores the predictions saved in `folder` again, without their models.
///
/// # Errors
/// If there are no results, or a file of predictions is missing.
pub fn score_again(
    folder: &Path,
    resampling: &Resampling,
) -> Result<ClassificationResults, ClassificationError> {
    let missing = |path: &Path| ClassificationError::NothingSaved(path.display().to_string());
    let results = ClassificationResults::read(folder);
    let mut results = results.ok_or_else(|| missing(&folder.join(ClassificationResults::FILE)))?;
    let _lock = Lock::whole(folder)?;
    for set in &mut results.sets {
        let own = folder.join(plain(&set.task)).join(plain(&set.name));
        for (system, found) in &mut set.systems {
            let path = file(&own, system, &set.language.code);
            let predictions: Vec<Prediction> = row_file::read(&path);
            if predictions.len() != set.rows {
                return Err(missing(&path));
            }
            let translates = System::named(system).is_some_and(|system| system.translates);
            found.measures = scores::measure(&predictions, &set.labels, translates, resampling);
            found.confusion = scores::confusion(&predictions, &set.labels);
            found.unread = scores::unread(&predictions);
        }
        compare(set, &own, None);
    }
    results.find_means(folder, resampling);
    results.write(folder)?;
    Ok(results)
}

fn systems(contenders: &[Contender<'_>]) -> Vec<SystemRecord> {
    let mut records: Vec<SystemRecord> = Vec::new();
    for contender in contenders {
        let System {
            name, title, about, ..
        } = contender.system;
        if records.last().is_none_or(|last| last.name != *name) {
            records.push(SystemRecord {
                name: (*name).to_owned(),
                title: (*title).to_owned(),
                about: (*about).to_owned(),
                engines: Vec::new(),
            });
        }
        let record = records.last_mut().expect("just added");
        for engine in contender.engines() {
            if !record.engines.contains(&engine) {
                record.engines.push(engine);
            }
        }
    }
    records
}

/// Compares the first system with the others; with the rows, also keeps some that differ.
fn compare(set: &mut SetResult, folder: &Path, plan: Option<&Plan<'_>>) {
    let mut names: Vec<&str> = set.systems.keys().map(String::as_str).collect();
    names.sort_by_key(|name| System::position(name));
    let all: Vec<(&str, Vec<Prediction>)> = (names.into_iter())
        .map(|name| {
            (
                name,
                row_file::read(&file(folder, name, &set.language.code)),
            )
        })
        .collect();
    let Some(((_, first), others)) = all.split_first() else {
        return;
    };
    let comparisons = match others.is_empty() {
        true => Vec::new(),
        false => comparison::compare(first, others, &set.labels),
    };
    if let Some(plan) = plan {
        let rows: Vec<_> = plan.rows.iter().map(|&row| &plan.set.rows[row]).collect();
        let changes = others
            .first()
            .map(|(name, other)| comparison::changes(name, first, other, &rows));
        set.changes = changes;
    }
    set.comparisons = comparisons;
}
