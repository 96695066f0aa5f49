//! Looks: the writers' half of the collector's protocol (storage.md section 4).

use std::sync::Arc;

use crate::domain::error::RegistryError;
use crate::domain::model::{Digest, Look, Mark, RepositoryName, Sight, Thing};
use crate::ports::{
    BlobLinks, BlobStore, LockError, LockKey, LockManager, ManifestStore, Marks, StoragePorts,
};

/// How often a mark may come back before a writer gives up. Each round needs
/// another collector to condemn the thing anew, which takes a grace period.
const ROUNDS: usize = 16;

/// Looks at things that a writer has just claimed.
///
/// The order of the writer's steps is what makes it safe: first the claim is
/// written, then the marks are read, then the thing. A mark written after the
/// look meets the claim; one written before it is found here, and taken away
/// under the thing's lock, after which the look starts again.
pub(super) struct Looks {
    blobs: Arc<dyn BlobStore>,
    links: Arc<dyn BlobLinks>,
    manifests: Arc<dyn ManifestStore>,
    marks: Arc<dyn Marks>,
    locks: Arc<dyn LockManager>,
}

impl Looks {
    pub(super) fn new(storage: &StoragePorts, locks: &Arc<dyn LockManager>) -> Self {
        Self {
            blobs: Arc::clone(&storage.blobs),
            links: Arc::clone(&storage.links),
            manifests: Arc::clone(&storage.manifests),
            marks: Arc::clone(&storage.marks),
            locks: Arc::clone(locks),
        }
    }

    /// The content, if it is there to stay.
    pub(super) async fn data(&self, digest: &Digest) -> Result<Option<Sight>, RegistryError> {
        self.settle(&Thing::Data(digest.clone())).await
    }

    /// The repository's link to a blob, if it is there to stay.
    pub(super) async fn link(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Sight>, RegistryError> {
        self.settle(&Thing::Link(repository.clone(), digest.clone()))
            .await
    }

    /// The repository's settled manifest, if it is there to stay.
    pub(super) async fn revision(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Sight>, RegistryError> {
        self.settle(&Thing::Revision(repository.clone(), digest.clone()))
            .await
    }

    /// The blob as the repository sees it: its link, and after it its content.
    pub(super) async fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Sight>, RegistryError> {
        match self.link(repository, digest).await? {
            Some(_) => self.data(digest).await,
            None => Ok(None),
        }
    }

    async fn settle(&self, thing: &Thing) -> Result<Option<Sight>, RegistryError> {
        for _ in 0..ROUNDS {
            let look = self.look(thing).await?;
            if look.mark == Mark::None {
                return Ok(look.thing);
            }
            let guard = self.locks.acquire(&LockKey::from(thing)).await?;
            let pardoned = async { Ok(self.marks.pardon(thing).await?) };
            guard.during::<_, RegistryError>(pardoned).await?;
        }
        Err(LockError::Contended(LockKey::from(thing).to_string()).into())
    }

    async fn look(&self, thing: &Thing) -> Result<Look, RegistryError> {
        Ok(match thing {
            Thing::Data(digest) => self.blobs.look(digest).await?,
            Thing::Link(repository, digest) => self.links.look(repository, digest).await?,
            Thing::Revision(repository, digest) => self.manifests.look(repository, digest).await?,
        })
    }
}

#[cfg(test)]
mod tests;
