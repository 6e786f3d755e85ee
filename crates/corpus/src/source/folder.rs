//! The files of a data set that is a folder.

use std::path::{Path, PathBuf};

use super::SourceError;
use super::kind::{Kind, check_name};

/// Files that describe a data set, as Hugging Face and LLaMA-Factory write them.
const METADATA: [&str; 8] = [
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
    "metadata.json",
    "croissant.json",
    "config.json",
    "package.json",
];

/// Words in the names of files and folders that are not for training.
const OTHER_SPLITS: [&str; 10] = [
    "test",
    "tests",
    "testing",
    "validation",
    "valid",
    "val",
    "dev",
    "devtest",
    "eval",
    "evaluation",
];

/// How deep folders are looked into: a snapshot of a repository has `data/` or `CONFIG/SPLIT/`.
const DEPTH: usize = 4;

/// The files of a data set.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Those to learn from.
    pub training: Vec<PathBuf>,
    /// Those of other splits.
    pub other_splits: Vec<PathBuf>,
}

/// The files at `path`: itself, or those of a folder in the order of their names. A folder without
/// data of its own stands for `data` in it, or for the only folder in it with data.
pub(super) fn training_files(path: &Path) -> Result<Files, SourceError> {
    let metadata = std::fs::metadata(path).map_err(SourceError::io(path))?;
    if !metadata.is_dir() {
        check_name(path)?;
        return match Kind::of(path).is_some_and(Kind::has_fields) {
            true => Ok(Files {
                training: vec![path.to_owned()],
                ..Files::default()
            }),
            false => Err(SourceError::Extension {
                path: path.to_owned(),
            }),
        };
    }
    let files = of_folder(path, DEPTH)?;
    if !files.training.is_empty() {
        return Ok(files);
    }
    if let Some(arrow) = arrow_file(path, DEPTH)? {
        check_name(&arrow)?;
    }
    let names: Vec<String> = files.other_splits.iter().map(|file| shown(file)).collect();
    Err(SourceError::NoFiles {
        path: path.to_owned(),
        found: match names.is_empty() {
            true => String::new(),
            false => format!(
                ", only {}; to learn from a test or validation split, name the file itself",
                names.join(", ")
            ),
        },
    })
}

fn of_folder(path: &Path, depth: usize) -> Result<Files, SourceError> {
    let (mut files, mut folders) = (Files::default(), Vec::new());
    for entry in entries(path)? {
        let name = shown(&entry);
        if name.starts_with('.') {
            continue;
        }
        let is_data = Kind::of(&entry).is_some_and(Kind::has_fields);
        if entry.is_dir() {
            folders.push(entry);
        } else if is_data && entry.is_file() && !METADATA.contains(&name.as_str()) {
            match is_other_split(&name) {
                true => files.other_splits.push(entry),
                false => files.training.push(entry),
            }
        }
    }
    if !files.training.is_empty() || depth == 0 {
        return Ok(files);
    }
    let mut found = Vec::new();
    for folder in folders {
        let within = of_folder(&folder, depth - 1)?;
        if is_other_split(&shown(&folder)) {
            files.other_splits.extend(within.training);
        } else if !within.training.is_empty() {
            found.push((folder, within));
        } else {
            files.other_splits.extend(within.other_splits);
        }
    }
    if found.len() > 1 {
        let named = |wanted: &str| found.iter().position(|(folder, _)| shown(folder) == wanted);
        let Some(place) = named("data").or_else(|| named("train")) else {
            let names: Vec<String> = found.iter().map(|(folder, _)| shown(folder)).collect();
            return Err(SourceError::SeveralFolders {
                path: path.to_owned(),
                folders: names.join(", "),
            });
        };
        found = vec![found.swap_remove(place)];
    }
    if let Some((_, mut within)) = found.pop() {
        files.training = within.training;
        files.other_splits.append(&mut within.other_splits);
    }
    Ok(files)
}

/// An Arrow file in the folder: it was written by `save_to_disk`.
fn arrow_file(path: &Path, depth: usize) -> Result<Option<PathBuf>, SourceError> {
    for entry in entries(path)? {
        if entry.extension().is_some_and(|ending| ending == "arrow") {
            return Ok(Some(entry));
        }
        if entry.is_dir()
            && depth > 0
            && let Some(found) = arrow_file(&entry, depth - 1)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whether a word of `name` is that of a split that is not for training.
fn is_other_split(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphabetic());
    let is_training = words
        .clone()
        .any(|word| matches!(word, "train" | "training"));
    !is_training && words.any(|word| OTHER_SPLITS.contains(&word))
}

fn shown(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// The entries of a folder in the order of their names.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let entries = std::fs::read_dir(folder).map_err(SourceError::io(folder))?;
    let paths = entries.map(|entry| Ok(entry.map_err(SourceError::io(folder))?.path()));
    let mut paths = paths.collect::<Result<Vec<PathBuf>, SourceError>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_told_by_a_word_of_the_name() {
        for name in [
            "test.jsonl",
            "validation-00000-of-00001.parquet",
            "alpaca_eval.json",
            "x.dev.tsv",
        ] {
            assert!(is_other_split(name), "{name}");
        }
        for name in [
            "train.jsonl",
            "train-test.json",
            "latest.jsonl",
            "contest.csv",
            "data.json",
        ] {
            assert!(!is_other_split(name), "{name}");
        }
    }
}
