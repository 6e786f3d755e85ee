//! Selects the instructions of the fast forms.

// The levels above the portable one are x86-64's.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

use std::sync::LazyLock;

/// Environment variable that names the highest [`Level`] to use, to test lower levels on a CPU that
/// has more, or to compare results between machines.
pub const LIMIT: &str = "XLDISTILL_SIMD";

/// Instruction sets, each of which includes the previous ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The instructions of the build's target.
    Portable,
    /// AVX2 and fused multiply-add.
    Avx2,
    /// AVX-512 with the extensions that all such CPUs since Skylake have.
    Avx512,
    /// AVX-512 with products of bfloat16.
    Avx512Bf16,
}

impl Level {
    const ALL: [Level; 4] = [
        Level::Portable,
        Level::Avx2,
        Level::Avx512,
        Level::Avx512Bf16,
    ];

    /// The level in use: that of the CPU, limited by [`LIMIT`].
    pub fn current() -> Level {
        static CURRENT: LazyLock<Level> = LazyLock::new(|| {
            let limit = std::env::var(LIMIT).ok().and_then(|name| named(&name));
            detected().min(limit.unwrap_or(Level::Avx512Bf16))
        });
        *CURRENT
    }

    /// The name of this level in [`LIMIT`].
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Avx512Bf16 => "avx512-bf16",
        }
    }
}

fn named(name: &str) -> Option<Level> {
    Level::ALL.into_iter().find(|level| level.name() == name)
}

/// The level that the CPU supports.
fn detected() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            return Level::Portable;
        }
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match avx512 {
            true if is_x86_feature_detected!("avx512bf16") => Level::Avx512Bf16,
            true => Level::Avx512,
            false => Level::Avx2,
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    Level::Portable
}
