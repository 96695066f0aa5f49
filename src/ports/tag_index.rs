//! Where tags point.

use async_trait::async_trait;

use crate::domain::model::{Digest, Listing, Page, RepositoryName, Tag, Timestamp};
use crate::ports::StoreError;

/// Tags by repository. The last writer wins; `set` and `remove` are called
/// under the tag's lock.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait TagIndex: Send + Sync {
    /// Where the tag points. Whether that is still there is another question.
    async fn get(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>, StoreError>;

    /// When the tag was set last, be it to the same digest, by the store's clock.
    async fn pushed_at(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// Points the tag at `digest`, all at once; durable when it returns.
    async fn set(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), StoreError>;

    /// Forgets the tag and where it pointed. Removing what is not there succeeds.
    async fn remove(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), StoreError>;

    /// Every tag that points at `digest`.
    async fn pointing_at(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Tag>, StoreError>;

    /// The tags that point somewhere, in byte order.
    async fn list(
        &self,
        repository: &RepositoryName,
        page: &Page<Tag>,
    ) -> Result<Listing<Tag>, StoreError>;
}
