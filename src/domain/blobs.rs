//! Blobs: pull them, and delete them.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};

use crate::domain::error::RegistryError;
use crate::domain::looks::Looks;
use crate::domain::model::{Digest, Manifest, Mark, Page, RepositoryName, Thing};
use crate::domain::removals::{Attempt, Patience};
use crate::ports::{
    BlobLinks, BlobLocator, BlobReader, BlobStore, Durability, LockError, LockKey, LockManager,
    ManifestStore, Marks, StoragePorts,
};

/// How often a DELETE may find its mark taken away before it gives up. Every
/// HEAD and every push of the blob takes it away: on a busy machine two out of
/// three rounds were seen to fail, and sixteen of them in a row.
const ROUNDS: usize = 128;

/// Pulls and deletes of blobs. A blob is visible only where it is linked;
/// whether it is stored for somebody else does not show.
pub struct Blobs {
    blobs: Arc<dyn BlobStore>,
    locator: Option<Arc<dyn BlobLocator>>,
    links: Arc<dyn BlobLinks>,
    manifests: Arc<dyn ManifestStore>,
    marks: Arc<dyn Marks>,
    durability: Arc<dyn Durability>,
    locks: Arc<dyn LockManager>,
    patience: Patience,
    looks: Looks,
}

impl Blobs {
    pub(super) fn new(
        storage: &StoragePorts,
        locks: &Arc<dyn LockManager>,
        patience: &Patience,
    ) -> Self {
        Self {
            blobs: Arc::clone(&storage.blobs),
            locator: storage.locator.clone(),
            links: Arc::clone(&storage.links),
            manifests: Arc::clone(&storage.manifests),
            marks: Arc::clone(&storage.marks),
            durability: Arc::clone(&storage.durability),
            locks: Arc::clone(locks),
            patience: patience.clone(),
            looks: Looks::new(storage, locks),
        }
    }

    /// The blob's size (end-2, HEAD).
    ///
    /// The answer is a promise: clients skip the push of what is there. So it
    /// renews the link's claim before it looks, and what it saw stays for the
    /// grace period.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BlobUnknown`] where the repository has no such blob.
    pub async fn stat(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<u64, RegistryError> {
        if self.links.refresh(repository, digest).await?
            && let Some(blob) = self.looks.blob(repository, digest).await?
        {
            return Ok(blob.size);
        }
        match self.manifests.stat(repository, digest).await? {
            Some(manifest) => Ok(manifest.size),
            None => Err(RegistryError::BlobUnknown(digest.clone())),
        }
    }

    /// Opens the blob (end-2, GET). Manifests open as well: containerd asks
    /// for the content of a digest here before it asks for a manifest.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BlobUnknown`] where the repository has no such blob.
    pub async fn open(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Box<dyn BlobReader>, RegistryError> {
        let visible = async {
            Ok::<_, RegistryError>(
                self.links.exists(repository, digest).await?
                    || self.manifests.stat(repository, digest).await?.is_some(),
            )
        };
        // Both at once, but what is not visible is answered without waiting for
        // the other: how long that takes tells who else has the blob.
        let (visible, opening) = (pin!(visible), self.blobs.open(digest));
        let reader = match select(visible, opening).await {
            Either::Left((Ok(false), _)) => None,
            Either::Left((Err(error), _)) => return Err(error),
            Either::Left((Ok(true), opening)) => opening.await?,
            Either::Right((opened, visible)) => {
                if visible.await? {
                    opened?
                } else {
                    None
                }
            }
        };
        reader.ok_or_else(|| RegistryError::BlobUnknown(digest.clone()))
    }

    /// Where the client fetches, by itself, a blob that [`Blobs::open`] has
    /// found: nothing else is judged here. `None` where it comes through the
    /// registry.
    ///
    /// # Errors
    ///
    /// Where no URL can be given.
    pub async fn locate(&self, digest: &Digest) -> Result<Option<String>, RegistryError> {
        match &self.locator {
            Some(locator) => Ok(Some(locator.locate(digest).await?)),
            None => Ok(None),
        }
    }

    /// Takes the blob away from the repository, at once (end-10). Its content
    /// waits for the collector: other repositories may have it too.
    ///
    /// This is the collector's protocol on the link: mark, prove that nothing
    /// claims it, and only if the mark still stands under the lock, remove it.
    /// A push that claims the blob meanwhile takes the mark away, and the
    /// proof starts over.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BlobUnknown`] where the repository has no such blob,
    /// [`RegistryError::Unsupported`] while one of its manifests needs it.
    pub async fn delete(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        self.take_away(repository, digest, true).await
    }

    /// The same in a mirror, whose manifests need not keep what they name: it
    /// is fetched again when it is asked for.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BlobUnknown`] where the repository has no such blob.
    pub async fn evict(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        self.take_away(repository, digest, false).await
    }

    async fn take_away(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        unless_needed: bool,
    ) -> Result<(), RegistryError> {
        let link = Thing::Link(repository.clone(), digest.clone());
        for _ in 0..ROUNDS {
            if !self.links.exists(repository, digest).await? {
                return Err(RegistryError::BlobUnknown(digest.clone()));
            }
            let Some(id) = self.marks.condemn(&link).await? else {
                continue;
            };
            let user = if unless_needed {
                self.user_of(repository, digest).await?
            } else {
                None
            };
            let lock = self.locks.acquire(&LockKey::from(&link)).await?;
            let attempt = self.patience.attempt();
            let work = async {
                if let Some(manifest) = user {
                    self.marks.pardon(&link).await?;
                    return Err(RegistryError::Unsupported(format!(
                        "the manifest {manifest} of this repository needs the blob; delete it first"
                    )));
                }
                self.remove_link(&attempt, repository, digest, &id).await
            };
            if attempt.under(lock, work).await? {
                return Ok(());
            }
        }
        Err(LockError::Contended(LockKey::from(&link).to_string()).into())
    }

    /// Under the link's lock: takes the link away if the mark `id` still
    /// stands; false if it does not.
    async fn remove_link(
        &self,
        attempt: &Attempt<'_>,
        repository: &RepositoryName,
        digest: &Digest,
        id: &str,
    ) -> Result<bool, RegistryError> {
        let link = Thing::Link(repository.clone(), digest.clone());
        if !self.marks.doom(&link, id).await? {
            // Somebody claimed the blob, or deletes it as well: the mark that
            // is there now is theirs, and is adopted in the next round. To
            // take it away would make them start over, and they us, for ever.
            let look = self.links.look(repository, digest).await?;
            if look.mark == Mark::Dying {
                self.marks.pardon(&link).await?; // whoever left that is dead
            }
            return Ok(false);
        }
        attempt
            .remove(self.links.remove(repository, digest))
            .await?;
        self.marks.pardon(&link).await?;
        self.durability.persist().await?;
        Ok(true)
    }

    /// A manifest of the repository that names the blob. One that cannot be
    /// understood may name anything, so it counts.
    async fn user_of(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Digest>, RegistryError> {
        for revision in self.manifests.list(repository, &Page::all()).await?.items {
            let Some(bytes) = self.manifests.claim(repository, &revision).await? else {
                continue;
            };
            let names_it = match Manifest::parse(None, &bytes) {
                Ok(manifest) => manifest.needs().iter().any(|need| need.digest == digest),
                Err(_) => true,
            };
            if names_it && self.stands(repository, &revision).await? {
                return Ok(Some(revision));
            }
        }
        Ok(None)
    }

    /// Whether the manifest is settled. A push that is under way may have looked
    /// at the link before it was marked, so its end is waited for, at its lock.
    /// What is pending then was given up: whoever pushes it again looks again,
    /// and meets the mark.
    async fn stands(
        &self,
        repository: &RepositoryName,
        revision: &Digest,
    ) -> Result<bool, RegistryError> {
        if self.manifests.stat(repository, revision).await?.is_some() {
            return Ok(true);
        }
        let key = LockKey::Revision(repository.clone(), revision.clone());
        let lock = self.locks.acquire(&key).await?;
        lock.during(async { Ok(self.manifests.stat(repository, revision).await?.is_some()) })
            .await
    }
}

#[cfg(test)]
mod tests;
