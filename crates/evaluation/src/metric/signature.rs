//! Reproducibility signatures in sacrebleu's form: `key:value` joined by `|`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

/// An ordered list of everything that determines a score.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    parts: Vec<(String, String)>,
}

impl Signature {
    /// Starts with the number of references per segment, as in sacrebleu.
    pub fn new(references: usize) -> Self {
        Self::default().with("nrefs", references)
    }

    /// Signature of a measure without references.
    pub fn without_references() -> Self {
        Self::default()
    }

    /// Adds `key:value` at the end.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.parts.push((key.to_owned(), value.to_string()));
        self
    }

    /// Records a bootstrap: `bs:SAMPLES|seed:SEED`, after `nrefs`.
    pub fn resampled(&mut self, samples: usize, seed: u64) {
        let position = usize::from(self.parts.first().is_some_and(|(key, _)| key == "nrefs"));
        self.parts
            .insert(position, ("bs".into(), samples.to_string()));
        self.parts
            .insert(position + 1, ("seed".into(), seed.to_string()));
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.parts
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.parts.iter().enumerate() {
            let separator = if index > 0 { "|" } else { "" };
            write!(formatter, "{separator}{key}:{value}")?;
        }
        Ok(())
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.parts.len()))?;
        for (key, value) in &self.parts {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = serde_json::Map::deserialize(deserializer)?
            .into_iter()
            .map(|(key, value)| match value {
                serde_json::Value::String(text) => (key, text),
                other => (key, other.to_string()),
            })
            .collect();
        Ok(Self { parts })
    }
}
