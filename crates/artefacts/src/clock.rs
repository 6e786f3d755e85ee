//! The time, as manifests and logs write it.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time in seconds since 1970-01-01T00:00:00Z, to the millisecond.
pub fn now() -> f64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis() as f64 / 1e3
}
