//! Removals: what goes is written down first, and then taken away in the order of a push, backwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::domain::model::{Digest, Manifest, MediaType, RepositoryName, Tag};
use crate::ports::{
    Clock, Deletion, DeletionRecords, LockError, LockGuard, LockKey, LockManager, ManifestStore,
    ReferrerIndex, StoragePorts, StoreError, StoredManifest, TagIndex, Tasks,
};

/// How long a thing stays locked after a removal that got no answer: several
/// times as long as a request may take. It may still be carried out, and must
/// not meet what somebody has put there since.
const LINGER: Duration = Duration::from_mins(1);

/// Changes something under its lock, and keeps that while a change that failed
/// may still be carried out.
pub(super) async fn patiently<T, E>(
    clock: &dyn Clock,
    change: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let changed = change.await;
    if changed.is_err() {
        clock.sleep(LINGER).await;
    }
    changed
}

/// Who keeps a lock while a removal under it that failed may still be carried
/// out.
#[derive(Clone)]
pub(super) struct Patience {
    clock: Arc<dyn Clock>,
    tasks: Option<Arc<dyn Tasks>>,
}

impl Patience {
    /// The work itself, which ends later: no client waits for it.
    pub(super) fn of_the_work(clock: &Arc<dyn Clock>) -> Self {
        Self {
            clock: Arc::clone(clock),
            tasks: None,
        }
    }

    /// A task in the background: the client is answered at once.
    pub(super) fn of_a_task(clock: &Arc<dyn Clock>, tasks: &Arc<dyn Tasks>) -> Self {
        Self {
            clock: Arc::clone(clock),
            tasks: Some(Arc::clone(tasks)),
        }
    }

    /// The beginning of some work under a lock.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        Attempt {
            patience: self,
            is_open: AtomicBool::new(false),
        }
    }
}

/// Work under one lock, and whether one of its removals may yet be carried out.
pub(super) struct Attempt<'a> {
    patience: &'a Patience,
    is_open: AtomicBool,
}

impl Attempt<'_> {
    /// Removes something, which must not meet what is put there under a later
    /// lock.
    pub(super) async fn remove(
        &self,
        removal: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        if self.patience.tasks.is_none() {
            return patiently(&*self.patience.clock, removal).await;
        }
        let removed = removal.await;
        if removed.is_err() {
            self.is_open.store(true, Ordering::Relaxed);
        }
        removed
    }

    /// Does the work under its lock, which is free when it returns, unless one
    /// of the removals may yet be carried out.
    pub(super) async fn under<T, E: From<LockError>>(
        &self,
        lock: LockGuard,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let done = lock.watching(work).await;
        let open = self.is_open.load(Ordering::Relaxed);
        if let Some(tasks) = self.patience.tasks.as_ref().filter(|_| open) {
            let clock = Arc::clone(&self.patience.clock);
            tasks.spawn(Box::pin(async move {
                clock.sleep(LINGER).await;
                lock.release().await;
            }));
        } else {
            lock.release().await;
        }
        done
    }
}

/// Removals of manifests and tags.
pub(super) struct Removals {
    manifests: Arc<dyn ManifestStore>,
    tags: Arc<dyn TagIndex>,
    referrers: Arc<dyn ReferrerIndex>,
    deletions: Arc<dyn DeletionRecords>,
    locks: Arc<dyn LockManager>,
    clock: Arc<dyn Clock>,
    patience: Patience,
}

impl Removals {
    pub(super) fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        patience: &Patience,
    ) -> Self {
        Self {
            manifests: Arc::clone(&storage.manifests),
            tags: Arc::clone(&storage.tags),
            referrers: Arc::clone(&storage.referrers),
            deletions: Arc::clone(&storage.deletions),
            locks: Arc::clone(locks),
            clock: Arc::clone(&patience.clock),
            patience: patience.clone(),
        }
    }

    /// The beginning of some work under a lock.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        self.patience.attempt()
    }

    /// Removes the manifest, whose lock is held, with these of its tags.
    pub(super) async fn manifest(
        &self,
        attempt: &Attempt<'_>,
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
            let removal = self.referrers.remove(repository, subject, digest);
            attempt.remove(removal).await?;
        }
        let removal = self.manifests.remove(repository, digest);
        attempt.remove(removal).await
    }

    /// Removes the tag, whose lock is held, from its manifest.
    pub(super) async fn tag(
        &self,
        attempt: &Attempt<'_>,
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
        attempt.remove(self.tags.remove(repository, tag)).await
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
        let attempt = self.attempt();
        let work = async {
            if self.tags.get(repository, tag).await?.as_ref() == Some(digest) {
                attempt.remove(self.tags.remove(repository, tag)).await?;
            }
            Ok(())
        };
        attempt.under(lock, work).await
    }
}

#[cfg(test)]
mod tests;
