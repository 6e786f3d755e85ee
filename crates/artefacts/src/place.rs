//! The location of a run's artefacts.

use std::path::{Path, PathBuf};

use crate::store::{self, Store, own_folder};
use crate::{ArtefactError, Key};

/// Location of a run's artefacts: its own folder, or a store that it shares with other runs.
#[derive(Debug, Clone)]
pub struct Place {
    run: PathBuf,
    store: Option<Store>,
    read_only: bool,
}

impl Place {
    /// The location for the run in the folder `run`. Opens its store, if it has one.
    pub fn new(run: &Path, store: Option<&Path>) -> Result<Place, ArtefactError> {
        Ok(Place {
            run: run.to_owned(),
            store: store.map(Store::open).transpose()?,
            read_only: false,
        })
    }

    /// The same location for someone who only looks: nothing is created or changed there.
    pub fn read_only(run: &Path, store: Option<&Path>) -> Place {
        Place {
            run: run.to_owned(),
            store: store.map(Store::at),
            read_only: true,
        }
    }

    /// The folder of the run's artefact `name` with `key`: a folder of the run, or one of the
    /// store, to which the run gets a link ([`Store::resolve`]).
    ///
    /// `name` is a path in the run's folder, e.g. `mix` or `evaluate/before`; in the store, its
    /// first part names the artefact. If the run no longer uses a store, a folder replaces the
    /// link; unchanged rows are taken from the link's target. A [read-only](Place::read_only)
    /// place only says where the artefact would be.
    pub fn folder<E: From<ArtefactError>>(
        &self,
        name: &str,
        key: impl FnOnce() -> Result<Key, E>,
    ) -> Result<PathBuf, E> {
        Ok(match &self.store {
            Some(store) if self.read_only => store.artefact(name, &key()?),
            None if self.read_only => self.run.join(name),
            Some(store) => store.resolve(name, &key()?, &self.run)?,
            None => own_folder(name, &self.run)?,
        })
    }

    /// The same for an artefact that is made as a whole, such as a trained model. If the run no
    /// longer uses a store, a link to the artefact with this `key` stays: nothing could be taken
    /// from there entry by entry.
    pub fn whole_folder(&self, name: &str, key: &Key) -> Result<PathBuf, ArtefactError> {
        let link = self.run.join(name);
        let is_it = |target: PathBuf| target.ends_with(store::artefact_name(name, key));
        if self.store.is_none() && std::fs::read_link(&link).is_ok_and(is_it) {
            return Ok(link);
        }
        self.folder(name, || Ok(key.clone()))
    }

    /// Whether nothing may be made here.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }
}
