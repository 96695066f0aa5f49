//! What was deleted, so that it can be explained and undone.

use async_trait::async_trait;

use crate::domain::model::{Digest, MediaType, RepositoryName, Tag, Timestamp};
use crate::ports::StoreError;

/// One deletion by a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// What the tag pointed at, or the manifest.
    pub digest: Digest,
    /// As which the manifest was pushed, if that is known.
    pub media_type: Option<MediaType>,
    /// The tags that went.
    pub tags: Vec<Tag>,
    /// Whether the manifest itself went, and not only a tag.
    pub manifest: bool,
    /// What the manifest kept alive.
    pub references: Vec<Digest>,
    /// The manifest's subject.
    pub subject: Option<Digest>,
    /// When, by the registry's clock.
    pub at: Timestamp,
    /// Who; `None` if anonymous.
    pub by: Option<String>,
}

/// Records of deletions, kept for the grace period.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait DeletionRecords: Send + Sync {
    /// Writes down the deletion, before it is done.
    async fn add(&self, repository: &RepositoryName, deletion: &Deletion)
    -> Result<(), StoreError>;

    /// What was deleted before that moment.
    async fn list(
        &self,
        repository: &RepositoryName,
        before: Timestamp,
    ) -> Result<Vec<DeletionRecord>, StoreError>;

    /// Forgets one. Removing what is not there succeeds.
    async fn remove(&self, repository: &RepositoryName, id: &str) -> Result<(), StoreError>;
}

/// A deletion that was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionRecord {
    /// Its name.
    pub id: String,
    /// What it says; `None` where a power cut tore it before the deletion.
    pub deletion: Option<Deletion>,
}
