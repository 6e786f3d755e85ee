//! Results on disk.
//!
//! A run keeps its results as artefacts. An artefact is a folder that one process works in at a
//! time ([`Lock`]); its files appear whole or not at all ([`AtomicFile`]), as does a folder
//! that is handed over ([`AtomicFolder`]). Its [`Provenance`] lists everything that determines
//! its content and is hashed to its [`Key`]; its [`Manifest`] is written last. Unfinished work
//! is kept in a [`Journal`], entry by entry, so that a killed process loses next to nothing.
//! Runs can share artefacts in a [`Store`]. This crate knows no stage, model or text;
//! [`training`] defines records that one crate writes and another reads.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used)]

mod atomic;
mod atomic_folder;
mod clock;
mod engine;
mod entries;
mod error;
mod journal;
mod kept;
mod key;
mod lock;
mod manifest;
mod place;
mod provenance;
mod store;
pub mod training;

pub use atomic::{AtomicFile, hash_file, hash_of, remove, sync_folder, write};
pub use atomic_folder::AtomicFolder;
pub use clock::now;
pub use engine::{EngineIdentity, EngineKey};
pub use entries::{Entries, EntryHash, Sizes, Stored};
pub use error::ArtefactError;
pub use journal::{Journal, Record};
pub use kept::kept;
pub use key::{Key, KeyBuilder};
pub use lock::Lock;
pub use manifest::{MANIFEST_FILE, Manifest};
pub use place::Place;
pub use provenance::Provenance;
pub use store::{Store, beside, earlier, is_store};
