//! The identity of an artefact: a hash of everything that determines its content.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Identifies an artefact: artefacts with the same key have the same content.
///
/// It is a hash of the stage and its version, its parameters, the keys of its engines (name,
/// revision and parameters, never a path) and the keys of its inputs. Settings that only change how
/// the work is done (batch sizes that do not affect results, number of checkpoints) are not part of
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of a serialisable value.
    pub fn of(value: &impl Serialize) -> Key {
        KeyBuilder::default().with(value).finish()
    }

    /// Its 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first 12 digits, for names of folders.
    pub fn short(&self) -> &str {
        &self.0[..12.min(self.0.len())]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hashes values to a [`Key`], in order.
#[derive(Default)]
pub struct KeyBuilder {
    hasher: blake3::Hasher,
}

impl KeyBuilder {
    /// Adds a value as its JSON.
    ///
    /// # Panics
    /// If the value is not plain data (a map with keys that are not strings).
    pub fn add(&mut self, value: &impl Serialize) {
        serde_json::to_writer(&mut self.hasher, value).expect("a key is made of plain data");
        // JSON escapes line breaks, so this one marks the end of the value.
        self.hasher.update(b"\n");
    }

    /// [`KeyBuilder::add`], for chaining.
    pub fn with(mut self, value: &impl Serialize) -> Self {
        self.add(value);
        self
    }

    /// The key of the added values.
    pub fn finish(&self) -> Key {
        Key(self.hasher.finalize().to_hex().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_apart() {
        let apart = KeyBuilder::default().with(&"a").with(&"b").finish();
        let together = KeyBuilder::default().with(&"a\"\n\"b").finish();
        assert_ne!(apart, together);
        assert_eq!(Key::of(&("x", 1)), Key::of(&("x", 1)));
        assert_eq!(Key::of(&1).as_str().len(), 64);
    }
}
