//! Which repositories there are.

use async_trait::async_trait;

use crate::domain::model::{Listing, Page, RepositoryName};
use crate::ports::StoreError;

/// Repositories: names under which manifests are or were stored.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait RepositoryIndex: Send + Sync {
    /// Whether there is such a repository.
    async fn exists(&self, repository: &RepositoryName) -> Result<bool, StoreError>;

    /// The repositories in byte order of their names. `after` is any text.
    async fn list(&self, page: &Page<String>) -> Result<Listing<RepositoryName>, StoreError>;
}
