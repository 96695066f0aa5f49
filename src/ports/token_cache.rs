//! Tokens that other registries gave us, for as long as they are good.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::model::Secret;
use crate::ports::CacheError;

/// A cache of tokens by name. It forgets whenever it likes; what it answers was
/// put there, and not longer ago than it was to be kept.
///
/// It stands between two adapters, so that neither need know the other; the
/// domain has no use for it.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait TokenCache: Send + Sync {
    /// The token of that name, if it is there still.
    async fn get(&self, name: &str) -> Result<Option<Secret>, CacheError>;

    /// Keeps the token for no longer than `keep`.
    async fn put(&self, name: &str, token: &Secret, keep: Duration) -> Result<(), CacheError>;
}
