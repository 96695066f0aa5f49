//! Pauses that are not all the same.

use std::time::Duration;

/// Between half and all of it, so that those who failed or wait together don't come back in step.
#[must_use]
pub fn jittered(pause: Duration) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let random = u32::try_from(random % 1000).unwrap_or_default();
    pause / 2 + pause / 2 * random / 1000
}
