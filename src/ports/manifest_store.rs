//! Manifests, byte for byte, in their repositories.

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::model::{Digest, Listing, Look, MediaType, Page, RepositoryName, Timestamp};
use crate::ports::StoreError;

/// A manifest about to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewManifest {
    /// Its digest.
    pub digest: Digest,
    /// As which it is pushed.
    pub media_type: MediaType,
    /// The manifest.
    pub bytes: Bytes,
    /// When it was pushed, by the registry's clock.
    pub pushed_at: Timestamp,
    /// Who pushed it; `None` if anonymous.
    pub pushed_by: Option<String>,
}

/// A manifest without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestInfo {
    /// As which it was pushed; `None` where another registry stored it and
    /// only the bytes can tell.
    pub media_type: Option<MediaType>,
    /// Its length in bytes.
    pub size: u64,
    /// When it was pushed; `None` where another registry stored it.
    pub pushed_at: Option<Timestamp>,
}

/// A manifest that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// What is known besides the bytes.
    pub info: ManifestInfo,
    /// The manifest.
    pub bytes: Bytes,
}

/// Manifests by repository and digest. What is pending reads as absent.
///
/// `put_pending`, `settle` and `remove` are called under the revision's lock.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait ManifestStore: Send + Sync {
    /// The manifest, if it is there and settled.
    async fn get(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>, StoreError>;

    /// The manifest without its bytes, if it is there and settled.
    async fn stat(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ManifestInfo>, StoreError>;

    /// The same for who has its bytes, `size` of them, already: nobody looks
    /// whether they are still stored.
    async fn describe(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<ManifestInfo>, StoreError>;

    /// The manifest's bytes, pending or settled: for those who look for claims.
    /// `None` where the revision is gone, or its content is.
    async fn claim(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Bytes>, StoreError>;

    /// The marks beside the revision, and after them the revision itself,
    /// which counts as there only when it is settled.
    async fn look(&self, repository: &RepositoryName, digest: &Digest) -> Result<Look, StoreError>;

    /// Writes the content, if absent, and claims everything the manifest
    /// names. It stays invisible until settled; one that was settled before
    /// stays as it is.
    async fn put_pending(
        &self,
        repository: &RepositoryName,
        manifest: &NewManifest,
    ) -> Result<(), StoreError>;

    /// Writes the content alone, if absent: for a manifest whose content was
    /// taken away under it.
    async fn put_content(&self, digest: &Digest, bytes: &Bytes) -> Result<(), StoreError>;

    /// Makes a pending manifest visible.
    async fn settle(
        &self,
        repository: &RepositoryName,
        manifest: &NewManifest,
    ) -> Result<(), StoreError>;

    /// Takes the manifest away, with what is known of its pulls. Removing what
    /// is not there succeeds.
    async fn remove(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError>;

    /// The repository's revisions, with those that are pending, and those of
    /// which a crash left no more than a record.
    async fn list(
        &self,
        repository: &RepositoryName,
        page: &Page<Digest>,
    ) -> Result<Listing<Digest>, StoreError>;
}
