//! Removals: what goes is written down first, and then taken away in the order of a push, backwards.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::model::{Digest, Manifest, MediaType, RepositoryName, Tag};
use crate::ports::{
    Clock, Deletion, DeletionRecords, LockKey, LockManager, ManifestStore, ReferrerIndex,
    StoragePorts, StoreError, StoredManifest, TagIndex,
};

/// How long a thing stays locked after a removal that got no answer: several
/// times as long as a request may take. It may still be carried out, and must
/// not meet what somebody has put there since.
pub(super) const LINGER: Duration = Duration::from_mins(1);

/// Removals of manifests and tags.
pub(super) struct Removals {
    manifests: Arc<dyn ManifestStore>,
    tags: Arc<dyn TagIndex>,
    referrers: Arc<dyn ReferrerIndex>,
    deletions: Arc<dyn DeletionRecords>,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
}

impl Removals {
    pub(super) fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            manifests: Arc::clone(&storage.manifests),
            tags: Arc::clone(&storage.tags),
            referrers: Arc::clone(&storage.referrers),
            deletions: Arc::clone(&storage.deletions),
            locks: Arc::clone(locks),
            clock: Arc::clone(clock),
        }
    }

    /// Removes the manifest, whose lock is held, with these of its tags.
    pub(super) async fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        stored: StoredManifest,
        tags: Vec<Tag>,
        by: Option<&str>,
    ) -> Result<(), StoreError> {
        // One that another registry took and nobody understands can go too;
        // only what it would have kept alive stays unknown.
        let manifest = Manifest::parse(None, &stored.bytes).ok();
        let needs = manifest.iter().flat_map(Manifest::needs);
        let subject = manifest.as_ref().and_then(|it| it.subject.as_ref());
        let deletion = Deletion {
            digest: digest.clone(),
            media_type: stored.info.media_type,
            tags,
            manifest: true,
            references: needs.map(|need| need.digest.clone()).collect(),
            subject: subject.map(|subject| subject.digest.clone()),
            at: self.clock.now(),
            by: by.map(str::to_owned),
        };
        self.deletions.add(repository, &deletion).await?;
        for tag in &deletion.tags {
            self.unpoint(repository, tag, digest).await?;
        }
        if let Some(subject) = &deletion.subject {
            self.referrers.remove(repository, subject, digest).await?;
        }
        self.manifests.remove(repository, digest).await
    }

    /// Removes the tag, whose lock is held, from its manifest.
    pub(super) async fn tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: Digest,
        media_type: Option<MediaType>,
        by: Option<&str>,
    ) -> Result<(), StoreError> {
        let deletion = Deletion {
            digest,
            media_type,
            tags: vec![tag.clone()],
            manifest: false,
            references: Vec::new(),
            subject: None,
            at: self.clock.now(),
            by: by.map(str::to_owned),
        };
        self.deletions.add(repository, &deletion).await?;
        self.tags.remove(repository, tag).await
    }

    /// Removes the tag, unless it has moved on to another manifest.
    pub(super) async fn unpoint(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        let key = LockKey::Tag(repository.clone(), tag.clone());
        let lock = self.locks.acquire(&key).await?;
        lock.during(async {
            if self.tags.get(repository, tag).await?.as_ref() == Some(digest) {
                self.tags.remove(repository, tag).await?;
            }
            Ok(())
        })
        .await
    }
}
