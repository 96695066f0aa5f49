//! First come, first served within a process, before locks that only ask again.

use std::time::Duration;

use async_trait::async_trait;

use super::keyed::Keyed;
use crate::ports::{LockError, LockGuard, LockKey, LockManager};

/// The locks of `inner`, for which at most one caller of this process waits at
/// a time; the others stand in line here.
pub struct QueuedLocks<L> {
    inner: L,
    line: Keyed,
    patience: Duration,
}

impl<L: LockManager> QueuedLocks<L> {
    /// Waits no longer than `patience` in all.
    pub fn new(inner: L, patience: Duration) -> Self {
        Self {
            inner,
            line: Keyed::default(),
            patience,
        }
    }
}

#[async_trait]
impl<L: LockManager> LockManager for QueuedLocks<L> {
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        let acquired = async {
            let turn = self.line.acquire(key.to_string()).await;
            Ok(self.inner.acquire(key).await?.keeping(turn))
        };
        match tokio::time::timeout(self.patience, acquired).await {
            Ok(acquired) => acquired,
            Err(_) => Err(LockError::Contended(key.to_string())),
        }
    }

    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError> {
        let Some(turn) = self.line.try_acquire(key.to_string()) else {
            return Ok(None);
        };
        let guard = self.inner.try_acquire(key).await?;
        Ok(guard.map(|guard| guard.keeping(turn)))
    }
}
