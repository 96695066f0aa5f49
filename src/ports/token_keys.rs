//! What signs tokens, kept where all servers of a store find it.

use async_trait::async_trait;

use crate::domain::model::{Secret, Timestamp};
use crate::ports::StoreError;

/// A key that signs tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// The key itself.
    pub secret: Secret,
    /// From when on it signs; it verifies as long as it is here.
    pub signs_from: Timestamp,
}

/// The keys of all servers of a store. Like [`crate::ports::TokenCache`] it stands
/// between two adapters; the domain has no use for it.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait TokenKeys: Send + Sync {
    /// The keys, oldest first; none before somebody has set some.
    async fn list(&self) -> Result<Vec<TokenKey>, StoreError>;

    /// Puts these in place of whatever is there, for the eyes of the registry's
    /// own user only. The caller holds [`crate::ports::LockKey::TokenKeys`].
    async fn set(&self, keys: &[TokenKey]) -> Result<(), StoreError>;
}
