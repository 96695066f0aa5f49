//! Locks within one process: for tests, and for stores that one process owns.

use std::time::Duration;

use async_trait::async_trait;

use super::keyed::Keyed;
use crate::ports::{LockError, LockGuard, LockKey, LockManager};

/// Locks that nobody outside the process sees.
pub struct MemoryLocks {
    keyed: Keyed,
    patience: Duration,
}

impl MemoryLocks {
    /// Locks that are waited for no longer than `patience`.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self {
            keyed: Keyed::default(),
            patience,
        }
    }
}

#[async_trait]
impl LockManager for MemoryLocks {
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        let waiting = self.keyed.acquire(key.to_string());
        match tokio::time::timeout(self.patience, waiting).await {
            Ok(guard) => Ok(LockGuard::new(guard)),
            Err(_) => Err(LockError::Contended(key.to_string())),
        }
    }

    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError> {
        Ok(self.keyed.try_acquire(key.to_string()).map(LockGuard::new))
    }
}
