//! Paths in a config: relative to the folder of the config, wherever the program was started.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::path::{Component, Path, PathBuf};
use std::{fmt, fs};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, IntoDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

thread_local! {
    static ABSOLUTE: Cell<bool> = const { Cell::new(false) };
    static BASE: RefCell<PathBuf> = const { RefCell::new(PathBuf::new()) };
}

/// The path of a file or folder that a config names.
///
/// A relative path is resolved while it is deserialised, against the folder of [`relative_to`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(PathBuf);

/// Runs `read` with `base` as the folder that relative paths are resolved against; without this
/// function it is the working directory.
pub fn relative_to<T>(base: &Path, read: impl FnOnce() -> T) -> T {
    /// Restores the outer folder, even if `read` panics.
    struct Restore(PathBuf);
    impl Drop for Restore {
        fn drop(&mut self) {
            BASE.set(std::mem::take(&mut self.0));
        }
    }
    let _restore = Restore(BASE.replace(base.to_owned()));
    read()
}

/// Runs `write`, in which paths are serialised as absolute ones, so that what is written means the
/// same in every folder.
pub fn absolutely<T>(write: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ABSOLUTE.set(self.0);
        }
    }
    let _restore = Restore(ABSOLUTE.replace(true));
    write()
}

/// `path` as it is serialised: absolute within [`absolutely`].
pub fn serialised(path: &Path) -> Cow<'_, Path> {
    match ABSOLUTE.get() {
        true => std::path::absolute(path).map_or(Cow::Borrowed(path), Cow::Owned),
        false => Cow::Borrowed(path),
    }
}

/// `path`, resolved against the folder of [`relative_to`].
///
/// # Errors
/// The path is empty, which would mean that folder, or begins with `~`, which only a shell expands.
pub fn resolve(path: &Path) -> Result<PathBuf, &'static str> {
    if path.to_string_lossy().trim().is_empty() {
        return Err("found an empty text, expected a path");
    }
    if path.starts_with("~") {
        return Err("`~` is expanded by shells alone; write the whole path of the home folder");
    }
    Ok(BASE.with_borrow(|base| tidy(&base.join(path))))
}

/// `a/b/../c` as `a/c`, so that messages and manifests are readable; the working directory is `.`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if tidy.file_name().is_some_and(|name| name != "..") => {
                tidy.pop();
            }
            component => tidy.push(component),
        }
    }
    match tidy.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => tidy,
    }
}

/// Whether there is something at `path` that can be read once at most: what the shell makes of
/// `<(...)` is empty when it is read again, and opening a pipe waits for somebody who writes.
pub fn is_pipe_or_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| !file.is_file() && !file.is_dir())
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        let path = resolve(&path).map_err(D::Error::custom)?;
        if is_pipe_or_device(&path) {
            let message = format!(
                "{} is a pipe or a device; files are read more than once, so save it as a file",
                path.display()
            );
            return Err(D::Error::custom(message));
        }
        Ok(Self(path))
    }
}

/// Reads `path` where a path is one of several forms of a value: what is wrong with it is the error,
/// and not that no form fits, as with serde's untagged enums.
pub(crate) fn of_text<T: From<FilePath>>(path: &str) -> Result<T, serde_untagged::de::Error> {
    FilePath::deserialize(path.into_deserializer()).map(T::from)
}

impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialised(&self.0).serialize(serializer)
    }
}

impl JsonSchema for FilePath {
    fn schema_name() -> Cow<'static, str> {
        "FilePath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "path" })
    }
}

impl From<PathBuf> for FilePath {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl From<&str> for FilePath {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl From<FilePath> for PathBuf {
    fn from(path: FilePath) -> Self {
        path.0
    }
}

impl Deref for FilePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for FilePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_are_resolved_against_the_folder_of_the_config() {
        let read = |text: &str| serde_json::from_str::<FilePath>(text).unwrap().0;
        let folder = Path::new("configs/pt");
        let inside = |text: &str| relative_to(folder, || read(text));
        assert_eq!(
            inside(r#""../data/a.jsonl""#),
            Path::new("configs/data/a.jsonl")
        );
        assert_eq!(inside(r#""/data/a.jsonl""#), Path::new("/data/a.jsonl"));
        assert_eq!(inside(r#""../../../a""#), Path::new("../a"));
        assert_eq!(read(r#""./a""#), Path::new("a"));
        assert_eq!(read(r#"".""#), Path::new("."));
        assert_eq!(inside(r#""../..""#), Path::new("."));
    }

    #[test]
    fn an_empty_text_is_no_path() {
        for text in ["", " "] {
            let error = serde_json::from_value::<FilePath>(text.into()).unwrap_err();
            assert!(error.to_string().contains("expected a path"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_device_is_refused() {
        let error = serde_json::from_value::<FilePath>("/dev/null".into()).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("/dev/null is a pipe or a device"),
            "{message}"
        );
    }

    #[test]
    fn what_only_a_shell_expands_is_refused() {
        let error = serde_json::from_value::<FilePath>("~/models".into()).unwrap_err();
        assert!(
            error.to_string().contains("write the whole path"),
            "{error}"
        );
        let named = serde_json::from_value::<FilePath>("~models".into()).unwrap();
        assert_eq!(named.0, Path::new("~models"));
    }

    #[test]
    fn a_path_is_written_as_it_is_or_absolutely() {
        let path = FilePath::from("data/a.jsonl");
        let written = || serde_json::to_value(&path).unwrap();
        let here = std::env::current_dir().unwrap();
        let absolute = serde_json::to_value(here.join("data/a.jsonl")).unwrap();
        assert_eq!(absolutely(written), absolute);
        assert_eq!(written(), "data/a.jsonl");
    }
}
