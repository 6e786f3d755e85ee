//! The choice between a question's given answer y and the LLM's own answer ŷ (Eq. 4).

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::config::{MixConfig, Sampling};
use crate::record::CodeSwitched;
use crate::sampling;

/// The answers that a question gives examples with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answers {
    /// The given answer y.
    pub given: bool,
    /// The LLM's own answer ŷ.
    pub own: bool,
}

/// Counts of the rows that could have and have the LLM's own answer, as the manifest's details have
/// them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerCounts {
    /// Rows.
    pub rows: u64,
    /// Rows whose own answer was not rejected.
    pub available: u64,
    /// Rows that take it.
    pub own: u64,
}

/// What [`Choice`] must know of a row before it draws for the first; the rest is not read then.
#[derive(Deserialize)]
pub(super) struct OwnAnswer {
    generated: Option<IgnoredAny>,
}

impl OwnAnswer {
    pub fn is_available(&self) -> bool {
        self.generated.is_some()
    }
}

impl From<&CodeSwitched> for OwnAnswer {
    fn from(row: &CodeSwitched) -> Self {
        Self {
            generated: row.row.generated.as_ref().map(|_| IgnoredAny),
        }
    }
}

/// Draws the answers of every question, the same for all its subsets and target languages.
pub(super) struct Choice<'a> {
    config: &'a MixConfig,
    /// Probability of the own answer for a question that has one.
    own_probability: f64,
}

impl<'a> Choice<'a> {
    /// The choice among rows of which the share `available` has an own answer: the fewer have one,
    /// the likelier each of them takes it.
    pub fn new(config: &'a MixConfig, available: f64) -> Self {
        Self {
            config,
            own_probability: match available > config.generated_fraction {
                true => config.generated_fraction / available,
                false => 1.0,
            },
        }
    }

    /// The answers of `row`.
    pub fn of(&self, row: &CodeSwitched) -> Answers {
        let drawn = |purpose, probability| {
            sampling::uniform(self.config.seed, purpose, &row.row.id) < probability
        };
        let available = row.row.generated.is_some() && self.config.generated_fraction > 0.0;
        let own = available && drawn("generated answer", self.own_probability);
        match self.config.sampling {
            Sampling::OneOfTwo => Answers { given: !own, own },
            Sampling::Independent => Answers {
                given: drawn("given answer", 1.0 - self.config.generated_fraction),
                own,
            },
            Sampling::Both => Answers {
                given: true,
                own: row.row.generated.is_some(),
            },
        }
    }
}
