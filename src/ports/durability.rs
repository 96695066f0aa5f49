//! The moment from which a power cut takes nothing back.

use async_trait::async_trait;

use crate::ports::StoreError;

/// Ports may write lazily; a promise to a client comes after this.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Durability: Send + Sync {
    /// Returns when everything that anybody wrote to the store before the call
    /// survives a power cut.
    async fn persist(&self) -> Result<(), StoreError>;
}
