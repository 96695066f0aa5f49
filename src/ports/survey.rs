//! Everything that lies in a store, and what sets right what is not as it should be.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::domain::model::{Digest, Link, RepositoryName, Says, Surveyed, Tag};
use crate::ports::StoreError;

/// What a survey finds, in pieces.
pub type Surveying = BoxStream<'static, Result<Vec<Surveyed>, StoreError>>;

/// The store as a scrub sees it: file by file. Whoever changes something has
/// looked at it under the lock of those who write it.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Survey: Send + Sync {
    /// Everything below the root, content before what names it. What is written
    /// or removed meanwhile may be in it. An error ends it.
    fn everything(&self) -> Surveying;

    /// The content alone.
    fn content(&self) -> Surveying;

    /// What the link says; `None` where there is none.
    async fn read(&self, link: &Link) -> Result<Option<Says>, StoreError>;

    /// Makes the link say `digest`. It has no other bytes before it is durable.
    async fn write(&self, link: &Link, digest: &Digest) -> Result<(), StoreError>;

    /// Where the tag has pointed, in no order.
    async fn history(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Vec<Digest>, StoreError>;

    /// Whether there is a record of the revision that can't be read.
    async fn is_torn(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError>;

    /// Removes the record of the revision, which then is one of another registry's.
    async fn forget(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError>;

    /// Reads the object, away from the threads that others wait for, and answers
    /// the digest of its bytes by the algorithm of `like`. Counts them in `read`
    /// on the way. `None` where it is not there.
    async fn hash(
        &self,
        path: &str,
        like: &Digest,
        read: &Arc<AtomicU64>,
    ) -> Result<Option<Digest>, StoreError>;

    /// Moves the object to the place of the content `digest`.
    async fn place(&self, path: &str, digest: &Digest) -> Result<(), StoreError>;

    /// Moves the content out of the way, under its lock. Answers where to.
    async fn set_aside(&self, digest: &Digest) -> Result<String, StoreError>;

    /// Removes the object, or the directory if nothing is in it.
    async fn clear(&self, path: &str) -> Result<(), StoreError>;
}
