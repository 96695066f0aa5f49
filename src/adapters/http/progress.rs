//! Progress: whether a transfer moves. Nothing here limits how long one takes.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

/// How much must move while the other side is waited for as long as a request
/// may be without progress.
pub const LEAST: u64 = 64 * 1024;

/// Measures how long one side has waited for the other since the last
/// [`LEAST`] bytes moved.
///
/// Only waiting counts: the time that we need ourselves is not held against
/// the client.
#[derive(Debug)]
pub struct Meter {
    allowance: Duration,
    waited: Duration,
    moved: u64,
    waiting_since: Option<Instant>,
}

impl Meter {
    /// A meter that allows so much waiting.
    pub fn new(allowance: Duration) -> Self {
        Self {
            allowance,
            waited: Duration::ZERO,
            moved: 0,
            waiting_since: None,
        }
    }

    /// We wait for the other side, from now on if not already. Returns when
    /// that will have been for too long.
    pub fn wait(&mut self, now: Instant) -> Instant {
        let since = *self.waiting_since.get_or_insert(now);
        since + self.allowance.saturating_sub(self.waited)
    }

    /// The wait is over, and it brought so many bytes.
    pub fn moved(&mut self, bytes: u64, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        self.moved = self.moved.saturating_add(bytes);
        if self.moved >= LEAST {
            self.moved = 0;
            self.waited = Duration::ZERO;
        }
    }

    /// Whether we have been waiting for too long.
    pub fn overdue(&self, now: Instant) -> bool {
        let waiting = self
            .waiting_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.waited + waiting >= self.allowance
    }
}

/// When a request last came forward.
#[derive(Debug)]
pub struct Pulse(Mutex<Instant>);

impl Pulse {
    /// It begins now.
    pub fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// It comes forward now.
    pub fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when there was no beat for `allowance`.
    pub async fn stopped(&self, allowance: Duration) {
        loop {
            let last = self.last();
            tokio::time::sleep_until(last + allowance).await;
            if self.last() == last {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
