//! One of N parts of a stage's rows, for machines that share a folder.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use artefacts::{ArtefactError, Lock};
use serde::{Deserialize, Serialize};

/// Shard I of N, written `I/N`; the first is 0, as in Slurm arrays counted from 0.
///
/// A shard is a run of whole consecutive chunks, so that every row meets the same batch whether
/// the stage is sharded or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// All rows.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Shard `index` of `count`, from 0.
    pub fn new(index: u32, count: u32) -> Result<Shard, InvalidShard> {
        if index < count {
            Ok(Shard { index, count })
        } else {
            Err(InvalidShard::Outside(index, count))
        }
    }

    /// Number of this shard, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Number of shards.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether this is all of the rows.
    pub fn is_whole(self) -> bool {
        self.count == 1
    }

    /// The chunks of this shard, of `chunks` in all.
    pub(super) fn chunks(self, chunks: u64) -> Range<u64> {
        let cut = |index: u32| chunks * u64::from(index) / u64::from(self.count);
        cut(self.index)..cut(self.index + 1)
    }

    /// Whether none of `chunks` chunks is in this shard.
    pub fn is_empty_of(self, chunks: u64) -> bool {
        self.chunks(chunks).is_empty()
    }

    /// Takes `folder` for one run of this shard. A run over all rows has the folder to itself;
    /// different shards may share it.
    pub(super) fn lock(self, folder: &Path) -> Result<Lock, ArtefactError> {
        match self.is_whole() {
            true => Lock::whole(folder),
            false => Lock::part(folder, &self.numbered()),
        }
    }

    /// `00002-of-00008`, as Hugging Face numbers the parts of a data set.
    pub(super) fn numbered(self) -> String {
        format!("{:05}-of-{:05}", self.index, self.count)
    }
}

/// Fails if another run is using the stage's `folder`; creates nothing.
pub fn require_free(folder: &Path, shard: Shard) -> Result<(), ArtefactError> {
    let part = (!shard.is_whole()).then(|| shard.numbered());
    Lock::require_free(folder, part.as_deref())
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// A shard that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShard {
    /// Not of the form I/N.
    #[error("\"{0}\" is not a shard: write I/N, e.g. 0/8 for the first of eight")]
    Form(String),
    /// I is not below N.
    #[error("there is no shard {0}/{1}: shards are counted from 0")]
    Outside(u32, u32),
}

impl FromStr for Shard {
    type Err = InvalidShard;

    fn from_str(text: &str) -> Result<Shard, InvalidShard> {
        let numbers = text
            .split_once('/')
            .and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        let (index, count) = numbers.ok_or_else(|| InvalidShard::Form(text.to_owned()))?;
        Shard::new(index, count)
    }
}

impl TryFrom<String> for Shard {
    type Error = InvalidShard;

    fn try_from(text: String) -> Result<Shard, InvalidShard> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_every_chunk_once() {
        for chunks in [0, 1, 7, 8, 1000] {
            for count in [1, 2, 3, 8] {
                let all: Vec<u64> = (0..count)
                    .flat_map(|index| Shard::new(index, count).unwrap().chunks(chunks))
                    .collect();
                assert!(
                    all.into_iter().eq(0..chunks),
                    "{chunks} chunks, {count} shards"
                );
            }
        }
    }

    #[test]
    fn is_read_as_it_is_written() {
        let shard: Shard = "2/8".parse().unwrap();
        assert_eq!(
            (shard.index(), shard.count(), shard.to_string()),
            (2, 8, "2/8".to_owned())
        );
        assert!(
            "8/8"
                .parse::<Shard>()
                .unwrap_err()
                .to_string()
                .contains("counted from 0")
        );
        for text in ["", "3", "a/b", "1/", "-1/4", "0/0"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
