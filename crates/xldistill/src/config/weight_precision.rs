//! How the weights of a model are held, in config files and on the command line.

use clap::ValueEnum;
use models::kernels::WeightFormat;
use serde::{Deserialize, Serialize};

/// How a model's weights are held and multiplied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum WeightPrecision {
    /// 4 bytes a weight, exact.
    #[default]
    F32,
    /// 2 bytes a weight.
    Bf16,
    /// 1 byte a weight.
    Int8,
}

impl From<WeightPrecision> for WeightFormat {
    fn from(precision: WeightPrecision) -> Self {
        match precision {
            WeightPrecision::F32 => WeightFormat::F32,
            WeightPrecision::Bf16 => WeightFormat::Bf16,
            WeightPrecision::Int8 => WeightFormat::Int8,
        }
    }
}
