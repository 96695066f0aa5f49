//! All storage ports of one store, handed over together.

use std::sync::Arc;

use crate::ports::{
    BlobLinks, BlobLocator, BlobStore, DeletionRecords, Durability, ManifestStore, Marks,
    MountHints, PullTimes, ReferrerIndex, RepositoryIndex, Survey, TagIndex, TokenKeys,
    UploadSessions,
};

/// What a backend converts into, so that wiring one stays one line.
#[derive(Clone)]
pub struct StoragePorts {
    /// Content.
    pub blobs: Arc<dyn BlobStore>,
    /// Where clients fetch content by themselves; `None` where they can't, or
    /// are not to.
    pub locator: Option<Arc<dyn BlobLocator>>,
    /// Pushes in progress.
    pub uploads: Arc<dyn UploadSessions>,
    /// Rights to content.
    pub links: Arc<dyn BlobLinks>,
    /// The collector's marks.
    pub marks: Arc<dyn Marks>,
    /// Manifests.
    pub manifests: Arc<dyn ManifestStore>,
    /// Tags.
    pub tags: Arc<dyn TagIndex>,
    /// Referrers.
    pub referrers: Arc<dyn ReferrerIndex>,
    /// Repositories.
    pub repositories: Arc<dyn RepositoryIndex>,
    /// Pulls.
    pub pulls: Arc<dyn PullTimes>,
    /// What was deleted.
    pub deletions: Arc<dyn DeletionRecords>,
    /// What signs tokens.
    pub token_keys: Arc<dyn TokenKeys>,
    /// What other servers have seen; `None` where there are none.
    pub hints: Option<Arc<dyn MountHints>>,
    /// Everything, file by file.
    pub survey: Arc<dyn Survey>,
    /// Power cuts.
    pub durability: Arc<dyn Durability>,
}
