//! The engines that estimate the quality of translations.

use corpus::seam::{EngineError, QualityEstimator};
use models::ComputeDevice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::choice::engines;
use crate::comet_kiwi::CometKiwiConfig;
use crate::engine_config::{EstimatorConfig, Translators};
use crate::round_trip::RoundTripConfig;

engines! {
    /// `[estimate_quality]`: the estimate of a translation's quality.
    pub enum EstimateEngine: EstimatorConfig in "estimate_quality", default "round-trip" {
        /// chrF of the translation translated back.
        "round-trip" => RoundTrip(RoundTripConfig),
        /// CometKiwi.
        "cometkiwi" => CometKiwi(CometKiwiConfig),
        /// No estimate.
        "none" => None(NoEstimate),
    }
}

/// No estimate: only the other filters reject.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoEstimate {}

impl EstimatorConfig for NoEstimate {
    fn open(
        &self,
        _: ComputeDevice,
        _: &dyn Fn() -> Result<Translators, EngineError>,
    ) -> Result<Option<Box<dyn QualityEstimator>>, EngineError> {
        Ok(None)
    }
}
