//! Evicting a manifest from a mirror's cache.

use super::Manifests;
use crate::domain::error::RegistryError;
use crate::domain::model::{Digest, Manifest, RepositoryName};
use crate::ports::LockKey;

impl Manifests {
    /// Takes the manifest away with its tags, and answers what it was. Nobody
    /// is asked, and nothing is written down: it comes back when it is asked for.
    ///
    /// `None` where it is gone, or stays because a tag of it is immutable: what
    /// comes back could be another one.
    pub(in crate::domain) async fn evict(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Manifest>, RegistryError> {
        let key = LockKey::Revision(repository.clone(), digest.clone());
        let lock = self.locks.acquire(&key).await?;
        lock.during(async {
            let Some(stored) = self.manifests.get(repository, digest).await? else {
                return Ok(None);
            };
            let Ok(manifest) = Manifest::parse(None, &stored.bytes) else {
                return Ok(None);
            };
            let tags = self.tags.pointing_at(repository, digest).await?;
            if tags.iter().any(|tag| self.is_immutable(repository, tag)) {
                return Ok(None);
            }
            for tag in &tags {
                self.unpoint(repository, tag, digest).await?;
            }
            if let Some(subject) = &manifest.subject {
                self.referrers
                    .remove(repository, &subject.digest, digest)
                    .await?;
            }
            self.manifests.remove(repository, digest).await?;
            Ok(Some(manifest))
        })
        .await
    }
}
