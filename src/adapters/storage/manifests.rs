//! Manifests: content, revision link, and what we know besides.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join;
use serde::{Deserialize, Serialize};

use super::links::link_to;
use super::records::{self, Moment, VERSION};
use super::{Store, layout};
use crate::domain::model::{Algorithm, Digest, Listing, Look, MediaType, Page, RepositoryName};
use crate::ports::{ManifestInfo, ManifestStore, NewManifest, StoreError, StoredManifest};

/// `_meta`, beside a revision's link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Meta {
    version: u32,
    state: State,
    media_type: MediaType,
    size: u64,
    pushed_at: Moment,
    /// Absent for an anonymous push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pushed_by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Claimed, but nobody was told that it is there.
    Pending,
    /// Acknowledged.
    Final,
}

/// What a revision's directory says.
enum Revision {
    /// Nothing, or something that nobody was ever promised.
    Unknown,
    /// A manifest of ours.
    Ours(Meta),
    /// A manifest that another registry stored: it has no `_meta`.
    Foreign,
}

impl Store {
    /// Whether there is a link. Without one a `_meta` means nothing; what it
    /// says counts only if it is read after the link.
    async fn linked(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let link = layout::revision_link(repository, digest);
        self.tree.has(&link).await
    }

    async fn revision(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Revision, StoreError> {
        if self.linked(repository, digest).await? {
            self.described(repository, digest).await
        } else {
            Ok(Revision::Unknown)
        }
    }

    /// What the `_meta` of a revision says that has its link.
    async fn described(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Revision, StoreError> {
        let path = layout::revision_meta(repository, digest);
        let Some(bytes) = self.tree.read(&path).await? else {
            // A removal takes the link first: one whose link was seen before it,
            // and whose `_meta` was looked for after it, is gone, and not foreign.
            return Ok(if self.linked(repository, digest).await? {
                Revision::Foreign
            } else {
                Revision::Unknown
            });
        };
        Ok(match records::decode::<Meta>(&bytes) {
            Ok(meta) if meta.state == State::Final => Revision::Ours(meta),
            // Pending, or torn by a power cut before anybody was answered.
            Ok(_) | Err(_) => Revision::Unknown,
        })
    }
}

/// Whether these bytes are a `_meta`.
pub(super) fn is_record(bytes: &[u8]) -> bool {
    records::decode::<Meta>(bytes).is_ok()
}

impl Revision {
    /// What is known of a manifest with `size` bytes of content.
    fn info(self, size: u64) -> Option<ManifestInfo> {
        match self {
            Self::Unknown => None,
            Self::Ours(meta) => Some(ManifestInfo {
                media_type: Some(meta.media_type),
                size: meta.size,
                pushed_at: Some(meta.pushed_at.0),
            }),
            Self::Foreign => Some(ManifestInfo {
                media_type: None,
                size,
                pushed_at: None,
            }),
        }
    }
}

/// The `_meta` of a manifest.
fn meta(path: &str, manifest: &NewManifest, state: State) -> Result<Bytes, StoreError> {
    let meta = Meta {
        version: VERSION,
        state,
        media_type: manifest.media_type.clone(),
        size: manifest.bytes.len() as u64,
        pushed_at: Moment(manifest.pushed_at),
        pushed_by: manifest.pushed_by.clone(),
    };
    records::encode(path, &meta)
}

#[async_trait]
impl ManifestStore for Store {
    async fn get(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>, StoreError> {
        // Not before the link is seen: without one, it may be any content, of
        // any size.
        if !self.linked(repository, digest).await? {
            return Ok(None);
        }
        let path = layout::blob(digest);
        let revision = self.described(repository, digest);
        let (revision, bytes) = try_join(revision, self.tree.read(&path)).await?;
        Ok(bytes.and_then(|bytes| {
            let info = revision.info(bytes.len() as u64)?;
            Some(StoredManifest { info, bytes })
        }))
    }

    /// Looks at the content too: who is told that the manifest is there does
    /// not push it, and what was lost would stay so.
    async fn stat(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ManifestInfo>, StoreError> {
        if !self.linked(repository, digest).await? {
            return Ok(None);
        }
        let path = layout::blob(digest);
        let revision = self.described(repository, digest);
        let (revision, content) = try_join(revision, self.tree.stat(&path)).await?;
        Ok(content.and_then(|content| revision.info(content.size)))
    }

    async fn describe(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<ManifestInfo>, StoreError> {
        Ok(self.revision(repository, digest).await?.info(size))
    }

    async fn claim(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Bytes>, StoreError> {
        if !self.linked(repository, digest).await? {
            return Ok(None);
        }
        self.tree.read(&layout::blob(digest)).await
    }

    async fn look(&self, repository: &RepositoryName, digest: &Digest) -> Result<Look, StoreError> {
        let dir = layout::revision_dir(repository, digest);
        let look = self.tree.look(&dir, layout::LINK).await?;
        if look.thing.is_none() {
            return Ok(look);
        }
        let settled = match self.described(repository, digest).await? {
            Revision::Ours(_) | Revision::Foreign => look.thing,
            Revision::Unknown => None,
        };
        Ok(Look {
            mark: look.mark,
            thing: settled,
        })
    }

    async fn put_pending(
        &self,
        repository: &RepositoryName,
        manifest: &NewManifest,
    ) -> Result<(), StoreError> {
        let content = self.put_content(&manifest.digest, &manifest.bytes);
        let revision = self.revision(repository, &manifest.digest);
        let (revision, ()) = try_join(revision, content).await?;
        if let Revision::Unknown = revision {
            let path = layout::revision_meta(repository, &manifest.digest);
            let meta = meta(&path, manifest, State::Pending)?;
            self.tree.write(&path, meta).await?;
        }
        // Of one that stands, too: a push is a claim, and its time shows it.
        let link = layout::revision_link(repository, &manifest.digest);
        self.tree.renew(&link, link_to(&manifest.digest)).await
    }

    async fn put_content(&self, digest: &Digest, bytes: &Bytes) -> Result<(), StoreError> {
        let path = layout::blob(digest);
        // Compared, because that costs little here: what rotted is healed.
        if self.tree.read(&path).await?.as_ref() == Some(bytes) {
            return Ok(());
        }
        self.tree.write_synced(&path, bytes.clone()).await
    }

    async fn settle(
        &self,
        repository: &RepositoryName,
        manifest: &NewManifest,
    ) -> Result<(), StoreError> {
        let path = layout::revision_meta(repository, &manifest.digest);
        let meta = meta(&path, manifest, State::Final)?;
        // The link was written, or seen, under the lock that is held.
        match self.described(repository, &manifest.digest).await? {
            Revision::Ours(_) => Ok(()),
            Revision::Unknown => self.tree.write(&path, meta).await,
            // One of another registry's becomes ours: its type is known now.
            // It was acknowledged, and a torn record would take it away.
            Revision::Foreign => self.tree.write_synced(&path, meta).await,
        }
    }

    async fn remove(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError> {
        // The link first: without it, whatever else is left means nothing.
        self.tree
            .remove(&layout::revision_link(repository, digest))
            .await?;
        let meta = layout::revision_meta(repository, digest);
        let pull = layout::pull(repository, digest);
        try_join(self.tree.remove(&meta), self.tree.remove(&pull)).await?;
        Ok(())
    }

    async fn list(
        &self,
        repository: &RepositoryName,
        page: &Page<Digest>,
    ) -> Result<Listing<Digest>, StoreError> {
        let mut all = Vec::new();
        for algorithm in Algorithm::ALL {
            let dir = layout::revisions(repository, algorithm);
            let names = self.tree.children(&dir, "", &Page::all()).await?;
            let digests = names.items.into_iter();
            all.extend(digests.filter_map(|hex| format!("{algorithm}:{hex}").parse().ok()));
        }
        Ok(Listing::cut(all, page))
    }
}

#[cfg(test)]
mod tests;
