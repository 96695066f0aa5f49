//! The wall clock, so that the domain never reads it itself.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::model::Timestamp;

/// Tells the time, and lets time pass.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Clock: Send + Sync {
    /// The moment it is now.
    fn now(&self) -> Timestamp;

    /// How much work the processors have done for this process; nothing where
    /// that is not known.
    fn cpu_time(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}
