//! What happened lately, for a bounded number of things.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
        insert(&mut self.times(), key, now);
    }

    /// It happens to `key` now, unless it did less than `time` ago: whether it
    /// did not.
    pub(super) fn is_first(&self, key: K, now: Timestamp, time: Duration) -> bool {
        let mut times = self.times();
        let first = !is_within(&times, &key, now, time);
        if first {
            insert(&mut times, key, now);
        }
        first
    }

    /// Whether it happened to `key` less than `time` ago. What lies in the
    /// future, after a clock was set back, did not.
    pub(super) fn within(&self, key: &K, now: Timestamp, time: Duration) -> bool {
        is_within(&self.times(), key, now, time)
    }

    fn times(&self) -> MutexGuard<'_, HashMap<K, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert<K: Eq + Hash>(times: &mut HashMap<K, Timestamp>, key: K, now: Timestamp) {
    if times.len() >= MOST && !times.contains_key(&key) {
        let mut ordered: Vec<Timestamp> = times.values().copied().collect();
        let (_, median, _) = ordered.select_nth_unstable(MOST / 2);
        times.retain(|_, time| time > median);
    }
    times.insert(key, now);
}

fn is_within<K: Eq + Hash>(
    times: &HashMap<K, Timestamp>,
    key: &K,
    now: Timestamp,
    time: Duration,
) -> bool {
    let happened = times.get(key);
    happened.is_some_and(|happened| *happened <= now && now.since(*happened) < time)
}

#[cfg(test)]
mod tests;
