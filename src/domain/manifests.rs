//! Manifests: pull them by tag or digest.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::access::Access;
use crate::domain::error::RegistryError;
use crate::domain::looks::Looks;
use crate::domain::model::{Digest, Hasher, Manifest, MediaType, Reference, RepositoryName, Tag};
use crate::domain::removals::{Patience, Removals};
use crate::ports::{
    BlobLinks, BlobStore, Clock, DeletionRecords, Durability, LockManager, ManifestStore, Marks,
    ReferrerIndex, StoragePorts, StoreError, StoredManifest, TagIndex,
};

mod contents;
mod delete;
mod evict;
mod put;
mod undelete;

use contents::Contents;
pub(super) use put::referrer;
pub use put::{IfMatch, ManifestPush, PushedManifest};
pub use undelete::{Restored, Undeletion};

/// Pushes, pulls and deletes of manifests.
pub struct Manifests {
    manifests: Arc<dyn ManifestStore>,
    tags: Arc<dyn TagIndex>,
    blobs: Arc<dyn BlobStore>,
    links: Arc<dyn BlobLinks>,
    referrers: Arc<dyn ReferrerIndex>,
    deletions: Arc<dyn DeletionRecords>,
    removals: Removals,
    marks: Arc<dyn Marks>,
    durability: Arc<dyn Durability>,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
    looks: Looks,
    contents: Contents,
    access: Arc<Access>,
}

/// A manifest that was found, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundManifest {
    /// Under which it was pushed.
    pub digest: Digest,
    /// As which it was pushed.
    pub media_type: MediaType,
    /// Its length in bytes.
    pub size: u64,
}

impl Manifests {
    pub(super) fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
        patience: &Patience,
        access: Arc<Access>,
    ) -> Self {
        Self {
            manifests: Arc::clone(&storage.manifests),
            tags: Arc::clone(&storage.tags),
            blobs: Arc::clone(&storage.blobs),
            links: Arc::clone(&storage.links),
            referrers: Arc::clone(&storage.referrers),
            deletions: Arc::clone(&storage.deletions),
            removals: Removals::new(storage, locks, patience),
            marks: Arc::clone(&storage.marks),
            durability: Arc::clone(&storage.durability),
            locks: Arc::clone(locks),
            clock: Arc::clone(clock),
            looks: Looks::new(storage, locks),
            contents: Contents::default(),
            access,
        }
    }

    /// What a manifest is (end-3, HEAD).
    ///
    /// # Errors
    ///
    /// [`RegistryError::ManifestUnknown`], for a tag whose manifest is gone too.
    pub async fn stat(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<FoundManifest, RegistryError> {
        let mut digest = self.resolve(repository, reference).await?;
        loop {
            if let Some(found) = self.find(repository, &digest).await? {
                return Ok(found);
            }
            digest = self.moved_on(repository, reference, digest).await?;
        }
    }

    /// A manifest as it was pushed (end-3, GET).
    ///
    /// # Errors
    ///
    /// [`RegistryError::ManifestUnknown`], for a tag whose manifest is gone too.
    pub async fn get(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<(FoundManifest, Bytes), RegistryError> {
        let mut digest = self.resolve(repository, reference).await?;
        loop {
            if let Some(found) = self.read(repository, digest.clone()).await? {
                return Ok(found);
            }
            digest = self.moved_on(repository, reference, digest).await?;
        }
    }

    async fn resolve(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Digest, RegistryError> {
        match reference {
            Reference::Digest(digest) => Ok(digest.clone()),
            Reference::Tag(tag) => self
                .tags
                .get(repository, tag)
                .await?
                .ok_or_else(|| RegistryError::ManifestUnknown(tag.to_string())),
        }
    }

    /// Where the tag points by now. It may have moved on before the manifest
    /// that it pointed at was deleted: then it was never without one.
    async fn moved_on(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        gone: Digest,
    ) -> Result<Digest, RegistryError> {
        let digest = self.resolve(repository, reference).await?;
        if digest == gone {
            return Err(RegistryError::ManifestUnknown(reference.to_string()));
        }
        Ok(digest)
    }

    async fn find(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<FoundManifest>, RegistryError> {
        let Some(info) = self.manifests.stat(repository, digest).await? else {
            return Ok(None);
        };
        if let Some(media_type) = info.media_type {
            return Ok(Some(FoundManifest {
                digest: digest.clone(),
                media_type,
                size: info.size,
            }));
        }
        // Another registry stored it: only the bytes tell what it is.
        let found = self.read(repository, digest.clone()).await?;
        Ok(found.map(|(found, _)| found))
    }

    /// Where the tag stands: nowhere, if its manifest is gone.
    pub(super) async fn standing(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>, RegistryError> {
        let Some(digest) = self.tags.get(repository, tag).await? else {
            return Ok(None);
        };
        let there = self.manifests.stat(repository, &digest).await?.is_some();
        Ok(there.then_some(digest))
    }

    /// Whether the tag never moves.
    pub(super) fn is_immutable(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        let namespace = self.access.namespace(repository);
        namespace.is_some_and(|it| it.immutable_tags.pattern_of(tag).is_some())
    }

    /// The manifest, whose bytes are checked against its digest: they are in
    /// memory anyway, and clients trust a manifest more than anything (P2).
    async fn read(
        &self,
        repository: &RepositoryName,
        digest: Digest,
    ) -> Result<Option<(FoundManifest, Bytes)>, RegistryError> {
        let stored = match self.contents.get(&digest) {
            None => self.load(repository, &digest).await?,
            Some(bytes) => {
                let size = bytes.len() as u64;
                let info = self.manifests.describe(repository, &digest, size).await?;
                info.map(|info| StoredManifest { info, bytes })
            }
        };
        let Some(StoredManifest { info, bytes }) = stored else {
            return Ok(None);
        };
        let media_type = info
            .media_type
            .unwrap_or_else(|| Manifest::media_type_of(&bytes));
        let found = FoundManifest {
            digest,
            media_type,
            size: info.size,
        };
        Ok(Some((found, bytes)))
    }

    async fn load(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>, RegistryError> {
        let Some(stored) = self.manifests.get(repository, digest).await? else {
            return Ok(None);
        };
        let actual = Hasher::digest_of(digest.algorithm(), &stored.bytes);
        if actual != *digest {
            return Err(StoreError::Corrupt {
                what: format!("the manifest {repository}@{digest}"),
                source: format!("its bytes have the digest {actual}").into(),
            }
            .into());
        }
        self.contents.keep(digest, &stored.bytes);
        Ok(Some(stored))
    }
}

#[cfg(test)]
mod tests;
