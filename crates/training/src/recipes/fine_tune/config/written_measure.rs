//! Measures of what the model writes during training.

use corpus::record::Subset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChooseBy, TrainConfig};

/// A measure of what the model under training writes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum WrittenMeasure {
    /// The share of target-language questions that are answered in another language.
    OffTarget,
    /// chrF++ of answers and translations into the target languages.
    #[serde(rename = "chrf++")]
    Chrf,
}

impl WrittenMeasure {
    /// Its name in the config.
    pub fn name(self) -> &'static str {
        match self {
            WrittenMeasure::OffTarget => "off-target",
            WrittenMeasure::Chrf => "chrf++",
        }
    }

    /// Whether a transfer set with the subsets that `wants` names has questions for it: those of TT,
    /// and translations into languages that something else is answered in.
    pub fn has_questions(self, wants: impl Fn(Subset) -> bool) -> bool {
        let answered = [Subset::LT, Subset::Comp, Subset::Native];
        wants(Subset::TT)
            || self == WrittenMeasure::Chrf && wants(Subset::Mt) && answered.into_iter().any(wants)
    }

    /// Its name among the held-out losses.
    pub fn key(self) -> &'static str {
        match self {
            WrittenMeasure::OffTarget => "off_target",
            WrittenMeasure::Chrf => "chrf++",
        }
    }
}

impl ChooseBy {
    /// The measure that the checkpoint is chosen by, if it is not the loss.
    pub fn measure(self) -> Option<WrittenMeasure> {
        match self {
            ChooseBy::Loss => None,
            ChooseBy::Chrf => Some(WrittenMeasure::Chrf),
            ChooseBy::OffTarget => Some(WrittenMeasure::OffTarget),
        }
    }
}

impl TrainConfig {
    /// Whether `measure` is measured at every evaluation: for its own sake, or to choose the
    /// checkpoint by. A choice by the language of answers measures chrF++, too.
    pub fn measures(&self, measure: WrittenMeasure) -> bool {
        let chosen = match self.choose_by {
            ChooseBy::OffTarget => true,
            other => other.measure() == Some(measure),
        };
        chosen || self.measure.contains(&measure)
    }
}
