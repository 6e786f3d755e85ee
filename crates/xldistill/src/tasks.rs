//! The tasks of a config, `[tasks.NAME]`: their data, and what can be said about them before work
//! starts.

mod other_labels;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use anyhow::{Result, bail, ensure};
use artefacts::Key;
use corpus::labelled::{DataLanguage, LabelledRow, TaskConfig, TaskData, TestSet};
use corpus::language::Language;
use corpus::language_check::LanguageCheck;
use engines::identifier::IdentifyEngine;
use models::model_directory::CardFacts;
use training::Task;

use crate::checks::Checks;

/// Tasks by name.
pub type Tasks = BTreeMap<String, TaskConfig>;

/// Checks everything but the files.
///
/// # Errors
/// No task, a name that cannot be that of a folder, and what [`TaskConfig::check`] finds.
pub fn validate(tasks: &Tasks) -> Result<(), String> {
    if tasks.is_empty() {
        return Err(
            "tasks: name at least one, e.g. [tasks.sentiment] with `train` and `test`".into(),
        );
    }
    for (name, task) in tasks {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!(
                "tasks.{name:?}: a name has letters, digits, - and _ only"
            ));
        }
        task.check()
            .map_err(|error| format!("tasks.{name}: {error}"))?;
    }
    Ok(())
}

/// Whether there is something to evaluate.
pub fn have_tests(tasks: &Tasks) -> bool {
    tasks.values().any(|task| !task.test.is_empty())
}

/// Reads all rows of all tasks.
pub fn load(tasks: &Tasks, seed: u64) -> Result<BTreeMap<String, TaskData>> {
    let load = |(name, task): (&String, &TaskConfig)| {
        let data = task.load(seed);
        let data = data.map_err(|error| anyhow::anyhow!("tasks.{name}: {error}"))?;
        Ok((name.clone(), data))
    };
    tasks.iter().map(load).collect()
}

/// The training tasks of `data`.
pub fn training(data: &BTreeMap<String, TaskData>) -> Vec<Task<'_>> {
    data.iter()
        .map(|(name, data)| Task { name, data })
        .collect()
}

/// Hash of the rows that are trained and chosen on, by task.
pub fn keys(data: &BTreeMap<String, TaskData>) -> BTreeMap<String, String> {
    let key = |data: &TaskData| {
        let rows = |set: &corpus::labelled::LabelledSet| Key::of(&(&set.labels, &set.rows));
        Key::of(&(
            rows(&data.train),
            rows(&data.validation),
            &data.language.code,
        ))
    };
    let keys = data.iter();
    keys.map(|(name, data)| (format!("task {name}"), key(data).to_string()))
        .collect()
}

/// Reads all files of the tasks and says what is in them; `languages` are those that the encoder
/// marks, if it marks them.
pub fn check(
    tasks: &Tasks,
    seed: u64,
    languages: Option<&[String]>,
    checks: &mut Checks<'_>,
) -> Result<()> {
    for (name, task) in tasks {
        let what = format!("tasks.{name}");
        let data = task.load(seed).map_err(anyhow::Error::from);
        let mut warnings = Vec::new();
        let described = data.and_then(|data| {
            marked(&data, languages)?;
            warnings = other_labels::warnings(task, &data);
            warnings.extend(in_other_languages(task, &data)?);
            Ok(describe(&data))
        });
        checks.add(&what, described)?;
        if task.test.is_empty() {
            let warning = format!(
                "it will not be evaluated, since it has no test files; name some under [{what}.test]"
            );
            checks.warn(&what, &warning)?;
        }
        for warning in warnings {
            checks.warn(&what, &warning)?;
        }
    }
    Ok(())
}

/// A sentence for each file whose rows are, as a whole, in another language than its key says. No
/// config of tasks names an identifier, with which its word could be overruled, so it stops no run.
fn in_other_languages(task: &TaskConfig, data: &TaskData) -> Result<Vec<String>> {
    let identifier = IdentifyEngine::default().open()?;
    let check = LanguageCheck {
        identifier: identifier.as_ref(),
        min_probability: identifier.default_min_probability(),
    };
    let mut files: Vec<(&Path, &DataLanguage, Vec<&LabelledRow>)> = Vec::new();
    for (own, set) in [
        (&task.train, &data.train),
        (&task.validation, &data.validation),
    ] {
        for (number, file) in own.iter().enumerate() {
            let rows = TaskConfig::rows_of(own, number, set).collect();
            files.push((file.path(), &data.language, rows));
        }
    }
    for test in &data.tests {
        files.push((&test.path, &test.language, test.set.rows.iter().collect()));
    }
    let mut found = Vec::new();
    for (path, language, rows) in files {
        let Some(expected) = language.source.filter(|_| !language.is_proxy) else {
            continue;
        };
        // Both texts of a pair, passage and question; answers are too short to tell.
        let texts = rows
            .iter()
            .flat_map(|row| row.input.texts().into_iter().take(2));
        let texts: Vec<&str> = texts.collect();
        let required = check.require(path, "a sample of the texts", &texts, expected);
        found.extend(required.err().map(|error| error.to_string()));
    }
    Ok(found)
}

/// Fails if one of `languages`, which texts of `what` are in, has to be told to the encoder and is
/// none of those that it knows.
pub fn encoder_knows(
    what: &str,
    languages: impl IntoIterator<Item = Language>,
    known: Option<&[String]>,
) -> Result<()> {
    let Some(known) = known else { return Ok(()) };
    for language in languages {
        let code = language.code();
        ensure!(
            known.iter().any(|known| known == code),
            "{what}: the encoder does not know {code}; leave it out, or name it after a related \
             language that the encoder knows"
        );
    }
    Ok(())
}

/// Fails if the encoder has to be told a language of the task that it does not know.
fn marked(data: &TaskData, known: Option<&[String]>) -> Result<()> {
    let Some(known) = known else { return Ok(()) };
    let tests = data.tests.iter().map(|test| &test.language);
    for language in [&data.language].into_iter().chain(tests) {
        let DataLanguage { code, source, .. } = language;
        match source {
            Some(source) if known.iter().any(|known| known == source.code()) => {}
            Some(source) => bail!(
                "the encoder does not know {}, which texts in {code} are read as; leave out this \
                 test file or name it after a language that the encoder knows",
                source.code()
            ),
            None => bail!(
                "{code} is no language of FLORES-200 and has no documented stand-in, but the encoder \
                 marks the language of a text; leave out this test file or name it after a related \
                 language"
            ),
        }
    }
    Ok(())
}

fn describe(data: &TaskData) -> String {
    let mut text = format!(
        "{} training and {} validation rows, labels {}",
        data.train.rows.len(),
        data.validation.rows.len(),
        data.labels.join(", ")
    );
    let rejected = data.train.rejected.len() + data.validation.rejected.len();
    if rejected > 0 {
        text.push_str(&format!("; {rejected} rows set aside"));
    }
    let tests = data.tests.iter().map(|test| {
        let (code, rows) = (&test.language.code, test.set.rows.len());
        match test.set.rejected.len() {
            0 => format!("{rows} in {code}"),
            other => format!("{rows} in {code} ({other} set aside)"),
        }
    });
    let tests: Vec<String> = tests.collect();
    if !tests.is_empty() {
        text.push_str(&format!("; test rows: {}", tests.join(", ")));
    }
    for leak in leaks(data) {
        text.push_str(&format!("; WARNING: {leak}"));
    }
    text
}

/// What is wrong with test and validation rows that are trained on, a sentence each.
pub fn leaks(data: &TaskData) -> Vec<String> {
    let text = |row: &LabelledRow| Key::of(&row.input);
    let mut trained: HashSet<Key> = data.train.rows.iter().map(text).collect();
    let validation: Vec<Key> = data.validation.rows.iter().map(text).collect();
    let learnt = validation
        .iter()
        .filter(|row| trained.contains(row))
        .count();
    let all = validation.len();
    trained.extend(validation);
    let leak = |test: &TestSet| {
        let rows = &test.set.rows;
        let leaked = rows.iter().filter(|row| trained.contains(&text(row)));
        let (leaked, all) = (leaked.count(), rows.len());
        let code = &test.language.code;
        (leaked > 0).then(|| {
            format!(
                "{leaked} of {all} test rows in {code} are training or validation rows, too: \
                 accuracy in {code} is too high"
            )
        })
    };
    let mut found: Vec<String> = data.tests.iter().filter_map(leak).collect();
    if learnt > 0 {
        found.push(format!(
            "{learnt} of {all} validation rows are training rows, too: a checkpoint is chosen by what \
             it has learnt by heart"
        ));
    }
    found
}

/// What a model card says about the training data.
pub fn card(tasks: &Tasks) -> CardFacts {
    let mut data = Vec::new();
    for (name, task) in tasks {
        let files: Vec<String> = task
            .train
            .iter()
            .map(|file| {
                file.path()
                    .file_name()
                    .unwrap_or_default()
                    .display()
                    .to_string()
            })
            .collect();
        let set = task.data.as_ref();
        let set = set.map(|set| format!(" ({set})")).unwrap_or_default();
        data.push(format!("task `{name}`{set}: {}", files.join(", ")));
    }
    CardFacts {
        data,
        ..CardFacts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_that_is_told_the_language_must_know_it() {
        let known = ["eng_Latn".to_owned()];
        let check = |language, known| encoder_knows("retrieval", [language], known);
        assert!(check(Language::ENGLISH, Some(&known)).is_ok());
        assert!(check(Language::PORTUGUESE, None).is_ok());
        let error = check(Language::PORTUGUESE, Some(&known)).unwrap_err();
        let expected = "retrieval: the encoder does not know por_Latn";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
