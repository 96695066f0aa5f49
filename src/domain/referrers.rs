//! Referrers: what points at a manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::error::RegistryError;
use crate::domain::model::{
    Descriptor, Digest, Manifest, ManifestContent, Page, RepositoryName, Tag,
};
use crate::ports::{ManifestStore, ReferrerIndex, StoragePorts, StoreError, TagIndex};

/// Listings of referrers.
pub struct Referrers {
    referrers: Arc<dyn ReferrerIndex>,
    manifests: Arc<dyn ManifestStore>,
    tags: Arc<dyn TagIndex>,
}

/// One page of referrers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrersPage {
    /// The descriptors, in order of digest.
    pub items: Vec<Descriptor>,
    /// Where the next page starts after, if there is one.
    pub next: Option<Digest>,
}

impl Referrers {
    pub(super) fn new(storage: &StoragePorts) -> Self {
        Self {
            referrers: Arc::clone(&storage.referrers),
            manifests: Arc::clone(&storage.manifests),
            tags: Arc::clone(&storage.tags),
        }
    }

    /// A page of what points at `subject`, of one artifact type if that is
    /// asked for (end-12). What nobody points at has an empty list; the
    /// subject need not exist.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`].
    pub async fn list(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &Page<Digest>,
    ) -> Result<ReferrersPage, RegistryError> {
        let mut all = self.listed_by_clients(repository, subject).await?;
        for referrer in self.referrers.list(repository, subject).await? {
            all.insert(referrer.digest.clone(), referrer);
        }

        let mut items: Vec<Descriptor> = Vec::new();
        let wanted = all.into_values().filter(|referrer| {
            let after = page.after.as_ref();
            after.is_none_or(|after| referrer.digest > *after)
                && artifact_type.is_none_or(|it| referrer.artifact_type.as_deref() == Some(it))
        });
        for referrer in wanted {
            // Another registry may have deleted it and left the record.
            let standing = self.manifests.stat(repository, &referrer.digest).await?;
            if standing.is_none() {
                continue;
            }
            if page.limit.is_some_and(|limit| items.len() >= limit) {
                let next = items.last().map(|last| last.digest.clone());
                return Ok(ReferrersPage { items, next });
            }
            items.push(referrer);
        }
        Ok(ReferrersPage { items, next: None })
    }

    /// What clients wrote down themselves while a registry without this list
    /// held the repository (spec, "Enabling the Referrers API").
    async fn listed_by_clients(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<BTreeMap<Digest, Descriptor>, StoreError> {
        let tag = Tag::fallback_for(subject);
        let Some(digest) = self.tags.get(repository, &tag).await? else {
            return Ok(BTreeMap::new());
        };
        let Some(stored) = self.manifests.get(repository, &digest).await? else {
            return Ok(BTreeMap::new());
        };
        let children = match Manifest::parse(None, &stored.bytes).map(|m| m.content) {
            Ok(ManifestContent::Index { children }) => children,
            Ok(ManifestContent::Image { .. }) | Err(_) => Vec::new(),
        };
        Ok(children
            .into_iter()
            .map(|child| (child.digest.clone(), child))
            .collect())
    }
}

#[cfg(test)]
mod tests;
