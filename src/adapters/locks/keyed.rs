//! Mutual exclusion by name within one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

type Held = Arc<tokio::sync::Mutex<()>>;

/// One fair mutex for each name that somebody holds or waits for.
#[derive(Clone, Default)]
pub(super) struct Keyed {
    by_name: Arc<Mutex<HashMap<String, Held>>>,
}

/// A name that is held. Releases on drop.
pub(super) struct KeyedGuard {
    keyed: Keyed,
    name: String,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Keyed {
    /// Waits for its turn.
    pub(super) async fn acquire(&self, name: String) -> KeyedGuard {
        let entry = self.entry(&name);
        // Built first: a waiter that gives up takes its entry out again.
        let mut guard = KeyedGuard {
            keyed: self.clone(),
            name,
            guard: None,
        };
        guard.guard = Some(entry.lock_owned().await);
        guard
    }

    /// Takes the name only if it is free.
    pub(super) fn try_acquire(&self, name: String) -> Option<KeyedGuard> {
        let entry = self.entry(&name);
        let mut guard = KeyedGuard {
            keyed: self.clone(),
            name,
            guard: None,
        };
        guard.guard = Some(entry.try_lock_owned().ok()?);
        Some(guard)
    }

    fn entry(&self, name: &str) -> Held {
        let mut by_name = self.lock();
        match by_name.get(name) {
            Some(entry) => Arc::clone(entry),
            None => Arc::clone(by_name.entry(name.to_owned()).or_default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeyedGuard {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut by_name = self.keyed.lock();
        // Entries are only cloned under this lock: a count of one is the map's
        // own, and stays one.
        if by_name
            .get(&self.name)
            .is_some_and(|it| Arc::strong_count(it) == 1)
        {
            by_name.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests;
