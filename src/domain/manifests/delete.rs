//! Deleting a manifest, or only a tag: the order of a push, backwards.

use super::Manifests;
use crate::domain::access::TagChange;
use crate::domain::error::RegistryError;
use crate::domain::model::{Caller, Digest, Manifest, Reference, RepositoryName, Tag};
use crate::ports::{Deletion, LockKey};

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
        lock.during(self.delete_locked_tag(repository, tag, caller))
            .await
    }

    async fn delete_locked_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        caller: &Caller,
    ) -> Result<(), RegistryError> {
        let change = TagChange::deletion(caller, repository, tag);
        let Some(digest) = self.tags.get(repository, tag).await? else {
            self.access.authorise_change(&change, None)?;
            // An empty link, as crashes leave them, is listed all the same.
            self.tags.remove(repository, tag).await?;
            return Err(RegistryError::ManifestUnknown(tag.to_string()));
        };
        let pointed_at = self.manifests.stat(repository, &digest).await?;
        let standing = pointed_at.as_ref().map(|_| &digest);
        self.access.authorise_change(&change, standing)?;
        if let Some(info) = &pointed_at {
            let deletion = Deletion {
                digest,
                media_type: info.media_type.clone(),
                tags: vec![tag.clone()],
                manifest: false,
                references: Vec::new(),
                subject: None,
                at: self.clock.now(),
                by: caller.id().map(str::to_owned),
            };
            self.deletions.add(repository, &deletion).await?;
        }
        self.tags.remove(repository, tag).await?;
        match pointed_at {
            Some(_) => Ok(()),
            None => Err(RegistryError::ManifestUnknown(tag.to_string())),
        }
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
        lock.during(self.delete_locked_manifest(repository, digest, caller))
            .await
    }

    async fn delete_locked_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<(), RegistryError> {
        let unknown = || RegistryError::ManifestUnknown(digest.to_string());
        let stored = self.manifests.get(repository, digest).await?;
        let stored = stored.ok_or_else(unknown)?;
        // One that another registry took and nobody understands can go too;
        // only what it would have kept alive stays unknown.
        let manifest = Manifest::parse(None, &stored.bytes).ok();
        let subject = manifest.as_ref().and_then(|m| m.subject.as_ref());
        let tags = self.tags.pointing_at(repository, digest).await?;
        for tag in &tags {
            let change = TagChange::deletion(caller, repository, tag);
            self.access.authorise_change(&change, Some(digest))?;
        }

        let deletion = Deletion {
            digest: digest.clone(),
            media_type: stored.info.media_type,
            tags: tags.clone(),
            manifest: true,
            references: manifest.iter().flat_map(digests).collect(),
            subject: subject.map(|subject| subject.digest.clone()),
            at: self.clock.now(),
            by: caller.id().map(str::to_owned),
        };
        self.deletions.add(repository, &deletion).await?;
        for tag in &tags {
            self.unpoint(repository, tag, digest).await?;
        }
        if let Some(subject) = subject {
            self.referrers
                .remove(repository, &subject.digest, digest)
                .await?;
        }
        Ok(self.manifests.remove(repository, digest).await?)
    }

    /// Removes the tag, unless it has moved on to another manifest.
    pub(in crate::domain) async fn unpoint(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
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

fn digests(manifest: &Manifest) -> Vec<Digest> {
    let needs = manifest.needs();
    needs.iter().map(|need| need.digest.clone()).collect()
}
