//! Where a digest was seen last, as all servers of one store know it.

use async_trait::async_trait;

use crate::domain::model::{Digest, RepositoryName};
use crate::ports::CacheError;

/// Hints for mounts that name no source. They say where to look first, and
/// nothing else: a link may be gone, and a caller's right is another matter.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait MountHints: Send + Sync {
    /// A repository that had the blob.
    async fn get(&self, digest: &Digest) -> Result<Option<RepositoryName>, CacheError>;

    /// Remembers that the repository has the blob, for a day or so.
    async fn put(&self, digest: &Digest, repository: &RepositoryName) -> Result<(), CacheError>;
}
