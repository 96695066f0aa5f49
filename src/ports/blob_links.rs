//! Which repository may see which blob.

use async_trait::async_trait;

use crate::domain::model::{Digest, Look, RepositoryName};
use crate::ports::{Findings, StoreError};

/// A repository's rights to blobs. A fresh link is a claim for the grace period.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait BlobLinks: Send + Sync {
    /// Links the blob, or renews the time of a link that stands.
    async fn add(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError>;

    /// Renews the time of a link that stands; false where none does. Never
    /// creates one: a deleted blob would come back. A store that needs a lock
    /// for it and gets none answers all the same, and the time stays as it is.
    async fn refresh(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError>;

    /// The mark beside the link, and after it the link itself.
    async fn look(&self, repository: &RepositoryName, digest: &Digest) -> Result<Look, StoreError>;

    /// Whether the link stands, whatever mark is beside it.
    async fn exists(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError>;

    /// Every link of the repository, in no order. An error ends it, and then it
    /// is not complete.
    fn list(&self, repository: &RepositoryName) -> Findings;

    /// Takes the link away. Removing what is not there succeeds.
    async fn remove(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError>;
}
