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

    /// Every place where claims can be, manifests or not.
    async fn everything(&self) -> Result<Everything, StoreError>;
}

/// Where claims are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Everything {
    /// Directories with links, manifests or records of deletions.
    pub repositories: Vec<RepositoryName>,
    /// Such directories whose name is no repository's. What they link, nobody
    /// can ask for here, and yet another registry may need it.
    pub strange: Vec<String>,
}
