//! What happened lately, for a bounded number of things.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::model::Timestamp;

/// How many things are remembered.
const MOST: usize = 16_384;

/// When something last happened to each of the things. It may forget.
pub(super) struct Recent<K>(Mutex<HashMap<K, Timestamp>>);

impl<K> Default for Recent<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Recent<K> {
    /// It happens to `key` now.
    pub(super) fn note(&self, key: K, now: Timestamp) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if times.len() >= MOST && !times.contains_key(&key) {
            let mut ordered: Vec<Timestamp> = times.values().copied().collect();
            let (_, median, _) = ordered.select_nth_unstable(MOST / 2);
            times.retain(|_, time| time > median);
        }
        times.insert(key, now);
    }

    /// Whether it happened to `key` less than `time` ago. What lies in the
    /// future, after a clock was set back, did not.
    pub(super) fn within(&self, key: &K, now: Timestamp, time: Duration) -> bool {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let happened = times.get(key);
        happened.is_some_and(|happened| *happened <= now && now.since(*happened) < time)
    }
}

#[cfg(test)]
mod tests;
