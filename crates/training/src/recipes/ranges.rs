//! Ranges of values that concern models; the others are [`corpus::ranges`]'.

pub use corpus::ranges::{ConfigError, Ranges};
use kernels::Precision;

/// Checks of values that concern models.
pub(crate) trait ModelRanges: Sized {
    /// The rank of an adapter: above 8192 it has more weights than the layers it adapts.
    fn rank(self, key: &'static str, n: usize) -> Result<(), ConfigError>;

    /// GPUs compute in f32 only.
    fn precision_on(self, cpu: bool, precision: Precision) -> Result<(), ConfigError>;
}

impl ModelRanges for Ranges<'_> {
    fn rank(self, key: &'static str, n: usize) -> Result<(), ConfigError> {
        self.check(key, n, (1..=8192).contains(&n), "from 1 to 8192")
    }

    fn precision_on(self, cpu: bool, precision: Precision) -> Result<(), ConfigError> {
        let possible = cpu || precision == Precision::F32;
        let expected = "f32 on a GPU, where no other format is supported; or set device = \"cpu\"";
        self.check("precision", precision, possible, expected)
    }
}
