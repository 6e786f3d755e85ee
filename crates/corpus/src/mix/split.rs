//! The three parts of the transfer set.

use super::config::MixConfig;
use crate::sampling;

/// A part of the transfer set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Trained on.
    Train,
    /// Chooses the checkpoint.
    Validation,
    /// Evaluated on.
    Test,
}

impl Part {
    /// The part of everything made of this text, the one in the source language if there is one. The
    /// text decides, not its identifier, so that a question that occurs twice is in one part.
    pub fn of(text: &str, config: &MixConfig) -> Part {
        let drawn = sampling::uniform(config.seed, "held out", text);
        if drawn < config.held_out_fraction {
            Part::Validation
        } else if drawn < config.held_out_fraction + config.test_fraction {
            Part::Test
        } else {
            Part::Train
        }
    }
}
