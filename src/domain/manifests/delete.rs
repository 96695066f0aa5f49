//! Deleting a manifest, or only a tag: the order of a push, backwards.

use super::Manifests;
use crate::domain::access::TagChange;
use crate::domain::error::RegistryError;
use crate::domain::model::{Caller, Digest, Reference, RepositoryName, Tag};
use crate::domain::removals::Attempt;
use crate::ports::LockKey;

impl Manifests {
    /// Deletes a manifest with every tag that points at it, or a tag alone
    /// (end-9). It stays deleted, power cut or not, from the return on (P4).
    ///
    /// # Errors
    ///
    /// [`RegistryError::ManifestUnknown`], [`RegistryError::TagImmutable`] for
    /// one of its tags too, [`RegistryError::Denied`].
    pub async fn delete(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        caller: &Caller,
    ) -> Result<(), RegistryError> {
        match reference {
            Reference::Tag(tag) => self.delete_tag(repository, tag, caller).await?,
            Reference::Digest(digest) => self.delete_manifest(repository, digest, caller).await?,
        }
        Ok(self.durability.persist().await?)
    }

    /// A tag whose manifest is gone reads as unknown, and is removed all the
    /// same: else a later push of that manifest would bring the tag back.
    async fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        caller: &Caller,
    ) -> Result<(), RegistryError> {
        let key = LockKey::Tag(repository.clone(), tag.clone());
        let lock = self.locks.acquire(&key).await?;
        let attempt = self.removals.attempt();
        let work = self.delete_locked_tag(&attempt, repository, tag, caller);
        attempt.under(lock, work).await
    }

    async fn delete_locked_tag(
        &self,
        attempt: &Attempt<'_>,
        repository: &RepositoryName,
        tag: &Tag,
        caller: &Caller,
    ) -> Result<(), RegistryError> {
        let change = TagChange::deletion(caller, repository, tag);
        let Some(digest) = self.tags.get(repository, tag).await? else {
            self.access.authorise_change(&change, None)?;
            // An empty link, as crashes leave them, is listed all the same.
            attempt.remove(self.tags.remove(repository, tag)).await?;
            return Err(RegistryError::ManifestUnknown(tag.to_string()));
        };
        let pointed_at = self.manifests.stat(repository, &digest).await?;
        let standing = pointed_at.as_ref().map(|_| &digest);
        self.access.authorise_change(&change, standing)?;
        let Some(info) = pointed_at else {
            attempt.remove(self.tags.remove(repository, tag)).await?;
            return Err(RegistryError::ManifestUnknown(tag.to_string()));
        };
        let (media_type, by) = (info.media_type, caller.id());
        let removals = &self.removals;
        let removed = removals.tag(attempt, repository, tag, digest, media_type, by);
        Ok(removed.await?)
    }

    /// Pushes of the same manifest wait at its lock, and set their tags under
    /// it: so the tags found here are all there are.
    async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<(), RegistryError> {
        let key = LockKey::Revision(repository.clone(), digest.clone());
        let lock = self.locks.acquire(&key).await?;
        let attempt = self.removals.attempt();
        let work = self.delete_locked_manifest(&attempt, repository, digest, caller);
        attempt.under(lock, work).await
    }

    async fn delete_locked_manifest(
        &self,
        attempt: &Attempt<'_>,
        repository: &RepositoryName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<(), RegistryError> {
        let unknown = || RegistryError::ManifestUnknown(digest.to_string());
        let stored = self.manifests.get(repository, digest).await?;
        let stored = stored.ok_or_else(unknown)?;
        let tags = self.tags.pointing_at(repository, digest).await?;
        for tag in &tags {
            let change = TagChange::deletion(caller, repository, tag);
            self.access.authorise_change(&change, Some(digest))?;
        }

        let (removals, by) = (&self.removals, caller.id());
        let removed = removals.manifest(attempt, repository, digest, stored, tags, by);
        Ok(removed.await?)
    }

    /// Removes the tag, unless it has moved on to another manifest.
    pub(in crate::domain) async fn unpoint(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        Ok(self.removals.unpoint(repository, tag, digest).await?)
    }
}
