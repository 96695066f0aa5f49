//! Sights: what a file's metadata say, in the model's words.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::model::{Sight, Timestamp};

/// The longest that a file system's clock stands still.
const TICK: Duration = Duration::from_millis(10);

/// Whether the file's time can't be renewed, because the clock that it comes
/// from has not moved since (it ticks a hundred times a second or more).
pub(super) fn is_of_this_tick(metadata: &fs::Metadata) -> bool {
    let age = metadata.modified().map(|it| it.elapsed());
    age.is_ok_and(|age| age.is_ok_and(|age| age < TICK))
}

pub(super) fn sight(metadata: &fs::Metadata) -> Sight {
    // A file system without times makes everything young, never old.
    let young = Timestamp::from_millis(i64::MAX);
    Sight {
        size: metadata.len(),
        modified: metadata.modified().map_or(young, timestamp),
    }
}

pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from_millis(match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    })
}
