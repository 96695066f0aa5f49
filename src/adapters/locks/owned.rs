//! Locks that hold in this process, for a store that it owns for the time being.

use async_trait::async_trait;

use crate::ports::{LockError, LockGuard, LockKey, LockManager};

/// Gives locks only while this process owns the store: nobody else looks at them.
pub struct OwnedLocks<L> {
    inner: L,
    owns: Box<dyn Fn() -> bool + Send + Sync>,
}

impl<L: LockManager> OwnedLocks<L> {
    /// The locks of `inner`, as long as `owns` says so.
    pub fn new(inner: L, owns: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            inner,
            owns: Box::new(owns),
        }
    }

    /// Asked once the lock is there: it may have been waited for.
    fn check(&self, key: &LockKey) -> Result<(), LockError> {
        if (self.owns)() {
            return Ok(());
        }
        Err(LockError::Unavailable {
            what: key.to_string(),
            source: "this server has no valid lease on the store".into(),
        })
    }
}

#[async_trait]
impl<L: LockManager> LockManager for OwnedLocks<L> {
    async fn acquire(&self, key: &LockKey) -> Result<LockGuard, LockError> {
        let guard = self.inner.acquire(key).await?;
        self.check(key)?;
        Ok(guard)
    }

    async fn try_acquire(&self, key: &LockKey) -> Result<Option<LockGuard>, LockError> {
        let guard = self.inner.try_acquire(key).await?;
        self.check(key)?;
        Ok(guard)
    }
}

#[cfg(test)]
mod tests;
