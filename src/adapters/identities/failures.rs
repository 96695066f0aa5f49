//! Failures: who guessed wrong, how often, and since when.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::model::Credentials;
use crate::ports::AuthenticationError;

/// How many failures one client may have under one user name …
const ALLOWED: u32 = 5;

/// … in this time, which begins with the first.
const WINDOW: Duration = Duration::from_mins(1);

/// How many clients and user names are kept count of. There are fewer in a minute: each costs an argon2 hash.
const MOST: usize = 16 * 1024;

/// The failures of the last minute.
#[derive(Default)]
pub struct Failures {
    /// By a keyed hash, so that no user name takes more room than another.
    windows: Mutex<HashMap<u64, Window>>,
    key: RandomState,
}

struct Window {
    since: Instant,
    failures: u32,
}

impl Failures {
    /// Whether the client may try again.
    ///
    /// # Errors
    /// [`AuthenticationError::TooManyFailures`].
    pub fn check(&self, credentials: &Credentials) -> Result<(), AuthenticationError> {
        let now = Instant::now();
        match self.windows().get(&self.key(credentials)) {
            Some(window) if window.failures >= ALLOWED && window.is_open(now) => {
                let retry_after =
                    WINDOW.saturating_sub(now.saturating_duration_since(window.since));
                Err(AuthenticationError::TooManyFailures { retry_after })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Counts a failure.
    pub fn count(&self, credentials: &Credentials) {
        let (key, now) = (self.key(credentials), Instant::now());
        let mut windows = self.windows();
        if !windows.contains_key(&key) {
            make_room(&mut windows, now);
        }
        let window = windows.entry(key).or_insert(Window::new(now));
        if !window.is_open(now) {
            *window = Window::new(now);
        }
        window.failures += 1;
    }

    fn key(&self, credentials: &Credentials) -> u64 {
        self.key
            .hash_one((credentials.client, &credentials.username))
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<u64, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what is over; and where that is nothing, what began first.
fn make_room(windows: &mut HashMap<u64, Window>, now: Instant) {
    if windows.len() >= MOST {
        windows.retain(|_, window| window.is_open(now));
    }
    if windows.len() >= MOST {
        let oldest = windows.iter().min_by_key(|(_, window)| window.since);
        if let Some(oldest) = oldest.map(|(key, _)| *key) {
            windows.remove(&oldest);
        }
    }
}

impl Window {
    fn new(since: Instant) -> Self {
        Self { since, failures: 0 }
    }

    fn is_open(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < WINDOW
    }
}

#[cfg(test)]
mod tests;
