//! A store of artefacts that runs share.
//!
//! ```text
//! store/translate-0c1d2e3f4a5b/     an artefact: its stage and the beginning of its key
//! store/.store                      marks the folder as a store
//! runs/first/translate              link to the artefact
//! runs/second/translate             another link, to the same or another one
//! ```
//!
//! The first run that needs an artefact makes it; others wait for it or find it finished. If a key
//! changes, the link of the run moves to a new artefact, which remembers the old one (`.earlier`),
//! so that unchanged rows can be taken from there. Nothing is deleted automatically.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use crate::{ArtefactError, Key, Lock, MANIFEST_FILE};

/// Marks a folder as a store.
const MARK: &str = ".store";

/// File in an artefact that lists the folders it replaced in runs: one relative path per line.
const EARLIER: &str = ".earlier";

/// A folder of artefacts that runs share.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the store in `folder`, or creates it.
    pub fn open(folder: &Path) -> Result<Store, ArtefactError> {
        fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
        let mark = folder.join(MARK);
        if !mark.exists() {
            crate::write(&mark, b"")?;
        }
        let folder = folder.canonicalize();
        Ok(Store {
            folder: folder.map_err(ArtefactError::io("find", &mark))?,
        })
    }

    /// The store in `folder`, which need not exist; nothing is written to it.
    pub(crate) fn at(folder: &Path) -> Store {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Store { folder }
    }

    /// The path of the artefact of `stage` with `key`.
    pub(crate) fn artefact(&self, stage: &str, key: &Key) -> PathBuf {
        self.folder.join(artefact_name(stage, key))
    }

    /// The folder of the artefact of `stage` with `key`. Makes `run/<stage>` a link to it. The
    /// previous target of the link stays in the store, and [`earlier`] returns it.
    ///
    /// A folder that the run made without a store is moved into the store.
    pub fn resolve(&self, stage: &str, key: &Key, run: &Path) -> Result<PathBuf, ArtefactError> {
        let artefact = self.artefact(stage, key);
        let (link, name) = (run.join(stage), first_part(stage));
        let run = link.parent().unwrap_or(run);
        fs::create_dir_all(run).map_err(ArtefactError::io("create", run))?;
        let run = run.canonicalize().map_err(ArtefactError::io("find", run))?;
        let link = run.join(link.file_name().unwrap_or_default());
        let before = match fs::symlink_metadata(&link) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(ArtefactError::io("read", &link)(error)),
            Ok(found) if found.is_symlink() => link.canonicalize().ok(),
            Ok(_) => Some(self.adopt(&link, name, &artefact)?),
        };
        fs::create_dir_all(&artefact).map_err(ArtefactError::io("create", &artefact))?;
        if let Some(before) = before.as_deref().filter(|before| *before != artefact) {
            remember(&artefact, before)?;
        }
        if link.canonicalize().ok().as_deref() != Some(&*artefact) {
            point(&link, &relative(&artefact, &run))?;
        }
        Ok(artefact)
    }

    /// Moves a run's own folder into the store; returns its new path.
    fn adopt(&self, folder: &Path, stage: &str, artefact: &Path) -> Result<PathBuf, ArtefactError> {
        let _lock = Lock::whole(folder)?;
        let mut names = (1..).map(|n| self.folder.join(format!("{stage}-adopted-{n}")));
        let place = match artefact.exists() {
            false => artefact.to_owned(),
            true => names
                .find(|place| !place.exists())
                .expect("numbers do not end"),
        };
        fs::rename(folder, &place).map_err(ArtefactError::io("move into the store", folder))?;
        Ok(place)
    }
}

/// Whether `folder` is a store.
pub fn is_store(folder: &Path) -> bool {
    folder.join(MARK).is_file()
}

/// The artefact of `stage` in the store that has `artefact`: the one with `key`, or with the same key
/// as `artefact`. `None` if `artefact` is not in a store.
pub fn beside(artefact: &Path, stage: &str, key: Option<&Key>) -> Option<PathBuf> {
    let store = artefact.parent().filter(|store| is_store(store))?;
    let (_, own) = artefact.file_name()?.to_str()?.rsplit_once('-')?;
    Some(store.join(named(stage, key.map_or(own, Key::short))))
}

/// The first part of a stage's folder in the run: the name of its artefacts.
fn first_part(stage: &str) -> &str {
    stage.split('/').next().unwrap_or(stage)
}

/// Name of the artefact of `stage` with `key` in a store.
pub(crate) fn artefact_name(stage: &str, key: &Key) -> String {
    named(first_part(stage), key.short())
}

fn named(stage: &str, short_key: &str) -> String {
    format!("{stage}-{short_key}")
}

/// The folder of `stage` in a run without a store ([`crate::Place::folder`]).
pub(crate) fn own_folder(stage: &str, run: &Path) -> Result<PathBuf, ArtefactError> {
    let folder = run.join(stage);
    if folder.is_symlink() {
        let before = folder.canonicalize().ok();
        fs::remove_file(&folder).map_err(ArtefactError::io("remove", &folder))?;
        fs::create_dir_all(&folder).map_err(ArtefactError::io("create", &folder))?;
        if let Some(before) = before {
            remember(&folder, &before)?;
        }
    }
    Ok(folder)
}

/// The folders from which unfinished work in `folder` may take entries: those it replaced, and, if
/// these were never finished, those they replaced.
pub fn earlier(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut seen: BTreeSet<PathBuf> = folder.canonicalize().into_iter().collect();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let list = fs::read_to_string(folder.join(EARLIER)).unwrap_or_default();
        for line in list.lines() {
            let Ok(before) = folder.join(line).canonicalize() else {
                continue;
            };
            if seen.insert(before.clone()) {
                if !before.join(MANIFEST_FILE).exists() {
                    open.push(before.clone());
                }
                found.push(before);
            }
        }
    }
    found
}

/// Whether `folder`, or the target of that link, is an artefact of a store.
pub(crate) fn is_shared(folder: &Path) -> bool {
    let folder = folder.canonicalize();
    folder.is_ok_and(|folder| folder.parent().is_some_and(is_store))
}

fn remember(artefact: &Path, before: &Path) -> Result<(), ArtefactError> {
    let artefact = artefact
        .canonicalize()
        .map_err(ArtefactError::io("find", artefact))?;
    let path = artefact.join(EARLIER);
    let line = relative(before, &artefact).display().to_string() + "\n";
    let known = fs::read_to_string(&path).unwrap_or_default();
    if known.lines().any(|known| known == line.trim_end()) {
        return Ok(());
    }
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    opened
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(ArtefactError::io("write", &path))
}

/// Makes `link` point to `target`, atomically.
fn point(link: &Path, target: &Path) -> Result<(), ArtefactError> {
    let mut name = link.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.incomplete", std::process::id()));
    let temporary = link.with_file_name(name);
    crate::remove(&temporary)?;
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink(target, &temporary);
    #[cfg(windows)]
    let made = {
        let _ = fs::remove_dir(link);
        std::os::windows::fs::symlink_dir(target, &temporary)
    };
    made.and_then(|()| fs::rename(&temporary, link))
        .map_err(ArtefactError::io("link", link))
}

/// `path` relative to `folder`; both are absolute.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let (to, from): (Vec<_>, Vec<_>) = (path.components().collect(), folder.components().collect());
    let shared = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return path.to_owned();
    }
    let up = from[shared..].iter().map(|_| Component::ParentDir);
    up.chain(to[shared..].iter().copied()).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn runs_share_an_artefact_and_move_on_to_another() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (first, second) = (root.join("runs/first"), root.join("runs/second"));
        let store = Store::open(&root.join("store")).unwrap();
        let (old, new) = (Key::of(&1), Key::of(&2));
        let made = store.resolve("answer", &old, &first).unwrap();
        assert_eq!(
            made,
            root.join("store").join(format!("answer-{}", old.short()))
        );
        assert_eq!(store.resolve("answer", &old, &second).unwrap(), made);
        let link = fs::read_link(first.join("answer")).unwrap();
        assert!(link.starts_with("../../store"), "{}", link.display());
        assert!(earlier(&made).is_empty());

        let next = store.resolve("answer", &new, &first).unwrap();
        assert_eq!(first.join("answer").canonicalize().unwrap(), next);
        assert_eq!(second.join("answer").canonicalize().unwrap(), made);
        // Killed and begun again, the new one still knows where its rows come from.
        assert_eq!(store.resolve("answer", &new, &first).unwrap(), next);
        assert_eq!(earlier(&next), std::slice::from_ref(&made));

        let before = store.resolve("evaluate/before", &old, &first).unwrap();
        let after = store.resolve("evaluate/after", &old, &second).unwrap();
        assert_eq!(before, after, "one artefact, wherever it is in a run");
        assert!(before.ends_with(format!("evaluate-{}", old.short())));
        assert_eq!(
            first.join("evaluate/before").canonicalize().unwrap(),
            before
        );

        let moved = root.join("elsewhere");
        fs::rename(root.join("runs"), &moved).unwrap();
        let again = store.resolve("answer", &new, &moved.join("first")).unwrap();
        assert_eq!(again, next);
    }

    #[test]
    fn what_was_never_finished_leads_on_to_what_came_before_it() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&root.path().join("store")).unwrap();
        let artefact = |n| {
            let run = root.path().join("run");
            store.resolve("answer", &Key::of(&n), &run).unwrap()
        };
        let folders = [1, 2, 3].map(artefact);
        assert_eq!(
            earlier(&folders[2]),
            [folders[1].clone(), folders[0].clone()]
        );
        fs::write(folders[1].join(MANIFEST_FILE), "{}").unwrap();
        assert_eq!(earlier(&folders[2]), [folders[1].clone()]);
        // Back to the first, which is before and after the third.
        artefact(1);
        assert_eq!(
            earlier(&folders[0]),
            [folders[2].clone(), folders[1].clone()]
        );
    }

    #[test]
    fn a_folder_goes_into_the_store_and_out_of_it() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("run");
        let own = own_folder("mix", &run).unwrap();
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("rows"), "one\n").unwrap();
        let store = Store::open(&root.path().join("store")).unwrap();
        let lock = Lock::whole(&own).unwrap();
        let key = Key::of(&1);
        assert!(store.resolve("mix", &key, &run).is_err(), "it is in use");
        drop(lock);
        let artefact = store.resolve("mix", &key, &run).unwrap();
        assert_eq!(fs::read_to_string(artefact.join("rows")).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(run.join("mix/rows")).unwrap(), "one\n");

        let own = own_folder("mix", &run).unwrap();
        assert!(!own.is_symlink() && !own.join("rows").exists());
        assert_eq!(earlier(&own), std::slice::from_ref(&artefact));
        // The key is taken: the folder gets a name of its own.
        fs::write(own.join("rows"), "two\n").unwrap();
        assert_eq!(store.resolve("mix", &key, &run).unwrap(), artefact);
        let adopted = &earlier(&artefact)[0];
        assert_eq!(fs::read_to_string(adopted.join("rows")).unwrap(), "two\n");
    }

    #[test]
    fn runs_wait_for_each_other_in_a_store() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let artefact = store
            .resolve("mix", &Key::of(&1), &root.path().join("run"))
            .unwrap();
        let path = artefact.join("rows");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let _lock = Lock::whole(&artefact).unwrap();
                    // Would fail for all but one if they were in here together.
                    assert!(!path.exists());
                    fs::write(&path, "mine").unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    fs::remove_file(&path).unwrap();
                });
            }
        });
    }
}
