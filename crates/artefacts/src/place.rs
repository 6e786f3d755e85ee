//! The location of a run's artefacts.

use std::path::{Path, PathBuf};

use crate::store::{Store, own_folder};
use crate::{ArtefactError, Key};

/// Location of a run's artefacts: its own folder, or a store that it shares with other runs.
#[derive(Debug, Clone)]
pub struct Place {
    run: PathBuf,
    store: Option<Store>,
}

impl Place {
    /// The location for the run in the folder `run`. Opens its store, if it has one.
    pub fn new(run: &Path, store: Option<&Path>) -> Result<Place, ArtefactError> {
        Ok(Place {
            run: run.to_owned(),
            store: store.map(Store::open).transpose()?,
        })
    }

    /// The folder of the run's artefact `name` with `key`: a folder of the run, or one of the
    /// store, to which the run gets a link ([`Store::resolve`]).
    ///
    /// If the run no longer uses a store, a folder replaces the link; unchanged rows are taken from
    /// the link's target.
    pub fn folder<E: From<ArtefactError>>(
        &self,
        name: &str,
        key: impl FnOnce() -> Result<Key, E>,
    ) -> Result<PathBuf, E> {
        Ok(match &self.store {
            Some(store) => store.resolve(name, &key()?, &self.run)?,
            None => own_folder(name, &self.run)?,
        })
    }
}
