//! One contender's turn on one test set: translation, classification, scores.

use std::path::{Path, PathBuf};
use std::time::Instant;

use artefacts::{ArtefactError, KeyBuilder};
use corpus::labelled::LabelledInput;
use corpus::language::Language;
use corpus::progress::Progress;

use super::plan::Plan;
use super::run::ClassificationConfig;
use super::test_set::plain;
use super::{
    ClassificationError, Contender, Prediction, SetResult, SystemScores, scores, translation,
};
use crate::row_file::{self, RowFile};

/// Raised with every change of the code that changes predictions.
const VERSION: u32 = 1;

/// The file of a system's predictions, within the folder of a test set.
pub(super) fn file(set: &Path, system: &str, language: &str) -> PathBuf {
    set.join(system).join(format!("{}.jsonl", plain(language)))
}

/// One contender on one test set.
pub(super) struct Turn<'a> {
    pub contender: &'a Contender<'a>,
    pub plan: &'a Plan<'a>,
    pub config: &'a ClassificationConfig,
    pub folder: &'a Path,
    pub progress: &'a dyn Progress,
}

impl Turn<'_> {
    /// Adds the scores to `result`; returns whether there was anything to do.
    pub fn take(
        &self,
        result: &mut SetResult,
        known: Option<&SetResult>,
    ) -> Result<bool, ClassificationError> {
        let Self {
            contender,
            plan,
            config,
            folder,
            progress,
        } = *self;
        let system = contender.system;
        let mut translated = None;
        if system.translates {
            let translator = contender.translator.as_deref();
            let translator = translator.ok_or(ClassificationError::NoTranslator(system.title))?;
            let made = known.and_then(|known| known.translation.as_ref());
            let (inputs, record) =
                translation::translated(plan.set, translator, folder, made, progress)?;
            translated = Some(inputs);
            result.translation = Some(record);
        }
        let inputs: Vec<&LabelledInput> = match &translated {
            Some(inputs) => plan.rows.iter().map(|&row| &inputs[row]).collect(),
            None => plan
                .rows
                .iter()
                .map(|&row| &plan.set.rows[row].input)
                .collect(),
        };
        let language = match system.translates {
            true => Some(plan.set.source),
            false => plan.set.language.told,
        };
        let key = self.key(&inputs, language);
        let path = file(
            &folder.join(plan.set.folder()),
            system.name,
            &plan.set.language.code,
        );
        let known = known.and_then(|known| known.systems.get(system.name));
        let known = known.filter(|known| known.key == key);
        let known = known.filter(|known| {
            artefacts::hash_file(&path).is_ok_and(|hash| hash == known.predictions_hash)
        });
        let (predictions, hash, seconds) = match known {
            Some(known) => {
                let hash = known.predictions_hash.clone();
                (row_file::read(&path), hash, known.seconds)
            }
            None => {
                let finished = self.classify(&inputs, language, &key, &path)?;
                (finished.rows, finished.hash, finished.seconds)
            }
        };
        let unread = scores::unread(&predictions);
        if unread > 0 {
            progress.note(&format!(
                "{} on {}: {unread} of {} rows have answers that exceed the maximum length or have no \
                 tokens, and count as wrong",
                system.title,
                plan.set.described(),
                predictions.len()
            ));
        }
        let measured = scores::measure(
            &predictions,
            &plan.labels,
            system.translates,
            &config.resampling,
        );
        let scored = SystemScores {
            key,
            predictions_hash: hash,
            seconds,
            measures: measured,
            confusion: scores::confusion(&predictions, &plan.labels),
            unread,
        };
        result.systems.insert(system.name.to_owned(), scored);
        Ok(known.is_none())
    }

    /// Hash of everything that determines the predictions.
    fn key(&self, inputs: &[&LabelledInput], language: Option<Language>) -> String {
        let plan = self.plan;
        let mut key = KeyBuilder::default()
            .with(&(VERSION, &plan.set.task, &plan.labels, language))
            .with(&self.config.batch_size)
            .with(&self.contender.classifier.identity().key());
        for ((row, gold), input) in plan.rows.iter().zip(&plan.gold).zip(inputs) {
            key.add(&(&plan.set.rows[*row].id, gold, input));
        }
        key.finish().to_string()
    }

    /// Classifies every row, or resumes an interrupted classification.
    fn classify(
        &self,
        inputs: &[&LabelledInput],
        language: Option<Language>,
        key: &str,
        path: &Path,
    ) -> Result<row_file::Finished<Prediction>, ClassificationError> {
        let Self {
            contender,
            plan,
            progress,
            ..
        } = *self;
        let own = path.parent().expect("a file in a folder");
        std::fs::create_dir_all(own).map_err(ArtefactError::io("create", own))?;
        let started = Instant::now();
        let batch = self.config.batch_size.max(1);
        let mut file = RowFile::open(path, key, batch)?;
        let name = format!("{}: {}", plan.set.described(), contender.system.title);
        progress.begin(&name, Some(inputs.len() as u64));
        progress.already_done(file.rows().len() as u64);
        let labels = contender
            .classifier
            .labels(&plan.set.task)
            .unwrap_or_default();
        while file.rows().len() < inputs.len() {
            let start = file.rows().len();
            let end = (start + batch).min(inputs.len());
            let asked: Vec<LabelledInput> = inputs[start..end].iter().copied().cloned().collect();
            let found = contender
                .classifier
                .classify(&plan.set.task, &asked, language);
            let found = found.and_then(|found| plan.checked(found, start..end, &labels, contender));
            let found = found.map_err(|source| ClassificationError::Engine {
                system: contender.system.title,
                set: plan.set.described(),
                source,
            })?;
            file.append(found, started.elapsed().as_secs_f64())?;
            progress.advance((end - start) as u64);
        }
        progress.end();
        Ok(file.finish()?)
    }
}
