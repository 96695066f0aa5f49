//! Locks of one configuration after those of another: nobody is given both at a time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::SetOnce;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::ports::{LockError, LockGuard, LockKey, LockManager};

type Inner = SetOnce<Arc<dyn LockManager>>;

/// Locks that are given once their [`Successor`] has brought them.
pub struct SucceedingLocks {
    inner: Arc<Inner>,
    patience: Duration,
    /// Goes last: who is told that these are out of use finds them gone.
    _end: Arc<DropGuard>,
}

/// Who brings the locks, once those before them are out of use.
pub struct Successor {
    inner: Weak<Inner>,
    _end: Arc<DropGuard>,
}

impl SucceedingLocks {
    /// Locks that are waited for no longer than `patience` before they are there; who brings them; and what is
    /// cancelled when nobody uses them, nor those before them.
    #[must_use]
    pub fn new(patience: Duration) -> (Self, Successor, CancellationToken) {
        let ended = CancellationToken::new();
        let end = Arc::new(ended.clone().drop_guard());
        let inner = Arc::default();
        let successor = Successor {
            inner: Arc::downgrade(&inner),
            _end: Arc::clone(&end),
        };
        let locks = Self {
            inner,
            patience,
            _end: end,
        };
        (locks, successor, ended)
    }

    async fn inner(&self, key: &LockKey) -> Result<&dyn LockManager, LockError> {
        match tokio::time::timeout(self.patience, self.inner.wait()).await {
            Ok(locks) => Ok(&**locks),
            Err(_) => Err(LockError::Contended(key.to_string())),
        }
    }
}

impl Successor {
    /// Whether anybody can still use the locks.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.inner.strong_count() > 0
    }

    /// These are the locks from now on.
    pub fn bring(self, locks: Arc<dyn LockManager>) {
        if let Some(inner) = self.inner.upgrade() {
            // Nobody else could have: this was the only successor.
            drop(inner.set(locks));
        }
    }
}

#[async_trait]
impl LockManager for SucceedingLocks {
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        self.inner(key).await?.acquire(key).await
    }

    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError> {
        self.inner(key).await?.try_acquire(key).await
    }
}

#[cfg(test)]
mod tests;
