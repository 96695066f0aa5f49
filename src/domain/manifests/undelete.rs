//! Undoing a deletion by its record: a push of what is still there.

use futures_util::TryStreamExt;

use super::Manifests;
use crate::domain::error::RegistryError;
use crate::domain::model::{
    Digest, Hasher, Manifest, Need, Reference, RepositoryName, Tag, Thing, Timestamp,
};
use crate::ports::{Deletion, DeletionRecord, LockKey, NewManifest, StoreError};

/// What became of a deletion that was to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undeletion {
    /// No record says that it was deleted: it never was, or too long ago.
    Unknown,
    /// The manifest stays deleted: it needs this, and this is gone.
    Refused {
        /// The manifest.
        digest: Digest,
        /// What is missing. One that was deleted as well can be restored first.
        missing: Vec<Digest>,
    },
    /// It is undone.
    Restored(Restored),
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The manifest.
    pub digest: Digest,
    /// Whether it had to be; false where it stood.
    pub manifest: bool,
    /// The tags that point at it again.
    pub tags: Vec<Tag>,
    /// The tags that point elsewhere by now, and stay there.
    pub moved: Vec<(Tag, Digest)>,
}

impl Manifests {
    /// Undoes the newest deletion of a manifest with the tags that went with
    /// it, or of a tag, for an operator: no policy is asked. The manifest counts
    /// as pushed now. What its index or subject would have let go of stays,
    /// because it stands again.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`], and [`RegistryError::ManifestInvalid`] for
    /// what another registry took and nobody understands.
    pub async fn undelete(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Undeletion, RegistryError> {
        let ever = Timestamp::from_millis(i64::MAX);
        let records = self.deletions.list(repository, ever).await?;
        let is_of = |deletion: &Deletion| match reference {
            Reference::Digest(digest) => deletion.manifest && deletion.digest == *digest,
            Reference::Tag(tag) => deletion.tags.contains(tag),
        };
        let deletions = records.iter().filter_map(|record| {
            let deletion = record.deletion.as_ref();
            Some((record, deletion.filter(|it| is_of(it))?))
        });
        let Some((record, deletion)) = deletions.max_by_key(|(_, deletion)| deletion.at) else {
            return Ok(Undeletion::Unknown);
        };
        let key = LockKey::Revision(repository.clone(), deletion.digest.clone());
        let lock = self.locks.acquire(&key).await?;
        lock.during(async {
            let done = self.undelete_locked(repository, deletion, &records).await?;
            if let Undeletion::Restored(_) = done {
                self.deletions.remove(repository, &record.id).await?;
                self.durability.persist().await?;
            }
            Ok(done)
        })
        .await
    }

    async fn undelete_locked(
        &self,
        repository: &RepositoryName,
        deletion: &Deletion,
        records: &[DeletionRecord],
    ) -> Result<Undeletion, RegistryError> {
        let digest = deletion.digest.clone();
        let stands = self.manifests.stat(repository, &digest).await?.is_some();
        if stands {
            // Somebody may be about to remove it: what is asked for here, stays.
            let thing = Thing::Revision(repository.clone(), digest.clone());
            self.marks.pardon(&thing).await?;
        } else {
            let missing = self.restore(repository, deletion, records).await?;
            if !missing.is_empty() {
                return Ok(Undeletion::Refused { digest, missing });
            }
        }
        let (mut tags, mut moved) = (Vec::new(), Vec::new());
        for tag in &deletion.tags {
            let key = LockKey::Tag(repository.clone(), tag.clone());
            let lock = self.locks.acquire(&key).await?;
            let elsewhere = lock.during(self.restore_tag(repository, tag, &digest));
            match elsewhere.await? {
                None => tags.push(tag.clone()),
                Some(elsewhere) => moved.push((tag.clone(), elsewhere)),
            }
        }
        Ok(Undeletion::Restored(Restored {
            digest,
            manifest: !stands,
            tags,
            moved,
        }))
    }

    /// Pushes the manifest from its own content. What is missing: a child that
    /// was deleted too, even where an index may do without it.
    async fn restore(
        &self,
        repository: &RepositoryName,
        deletion: &Deletion,
        records: &[DeletionRecord],
    ) -> Result<Vec<Digest>, RegistryError> {
        let digest = &deletion.digest;
        let Some(bytes) = self.content(digest).await? else {
            return Ok(vec![digest.clone()]);
        };
        let manifest = Manifest::parse(deletion.media_type.as_ref(), &bytes)?;
        let mut missing = Vec::new();
        for need in manifest.needs() {
            let child = need.digest;
            let was_deleted = |it: &Deletion| it.manifest && it.digest == *child;
            if need.need == Need::Child
                && records
                    .iter()
                    .any(|it| it.deletion.as_ref().is_some_and(was_deleted))
                && self.manifests.stat(repository, child).await?.is_none()
            {
                missing.push(child.clone());
            }
        }
        if !missing.is_empty() {
            return Ok(missing);
        }
        let new = NewManifest {
            digest: digest.clone(),
            media_type: manifest.media_type.clone(),
            bytes: bytes.into(),
            pushed_at: self.clock.now(),
            pushed_by: Some("undelete".to_owned()),
        };
        self.store(repository, &manifest, &new).await
    }

    /// The bytes of the manifest, as long as they are those.
    async fn content(&self, digest: &Digest) -> Result<Option<Vec<u8>>, RegistryError> {
        let Some(reader) = self.blobs.open(digest).await? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let size = reader.size().min(Manifest::MAX_BYTES);
        let mut pieces = reader.read(0..size).await?;
        while let Some(piece) =
            pieces
                .try_next()
                .await
                .map_err(|source| StoreError::Unavailable {
                    what: format!("reading {digest}"),
                    source: source.into(),
                })?
        {
            bytes.extend_from_slice(&piece);
        }
        let is_it = Hasher::digest_of(digest.algorithm(), &bytes) == *digest;
        Ok(is_it.then_some(bytes))
    }

    /// Points the tag at its manifest again, unless it stands elsewhere.
    async fn restore_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: &Digest,
    ) -> Result<Option<Digest>, RegistryError> {
        match self.standing(repository, tag).await? {
            Some(standing) if standing != *digest => Ok(Some(standing)),
            Some(_) => Ok(None),
            None => {
                self.tags.set(repository, tag, digest).await?;
                Ok(None)
            }
        }
    }
}
