//! Referrers: what points at a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::error::RegistryError;
use crate::domain::model::{
    Descriptor, Digest, Manifest, ManifestContent, Page, RepositoryName, Tag,
};
use crate::ports::{ManifestStore, ReferrerIndex, StoragePorts, StoreError, TagIndex};

/// How many bytes of descriptors a page has. Clients read the list as the
/// manifest that it is, and stop reading those at 4 MiB.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// Listings of referrers.
pub struct Referrers {
    referrers: Arc<dyn ReferrerIndex>,
    manifests: Arc<dyn ManifestStore>,
    tags: Arc<dyn TagIndex>,
}

/// One page of referrers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// asked for (end-12), and no larger than clients read. What nobody points at has an empty list; the
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
        let mut fallback = self.listed_by_clients(repository, subject).await?;
        let mut digests: BTreeSet<Digest> = fallback.keys().cloned().collect();
        digests.extend(self.referrers.list(repository, subject).await?);

        let mut filled = Filled::default();
        for digest in digests {
            if page.after.as_ref().is_some_and(|after| digest <= *after) {
                continue;
            }
            // One by one: together they may be larger than the memory.
            let record = self.referrers.get(repository, subject, &digest).await?;
            let Some(referrer) = record.or_else(|| fallback.remove(&digest)) else {
                continue;
            };
            // Another registry may have deleted it and left the record.
            if !is_of(&referrer, artifact_type)
                || self.manifests.stat(repository, &digest).await?.is_none()
            {
                continue;
            }
            if !filled.takes(referrer, page) {
                return Ok(filled.and_more());
            }
        }
        Ok(filled.page)
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

/// The page of these referrers, wherever they came from.
pub(super) fn page_of(
    found: Vec<Descriptor>,
    artifact_type: Option<&str>,
    page: &Page<Digest>,
) -> ReferrersPage {
    let found = found.into_iter().map(|it| (it.digest.clone(), it));
    let mut filled = Filled::default();
    for (digest, referrer) in found.collect::<BTreeMap<_, _>>() {
        let is_later = page.after.as_ref().is_none_or(|after| digest > *after);
        if is_later && is_of(&referrer, artifact_type) && !filled.takes(referrer, page) {
            return filled.and_more();
        }
    }
    filled.page
}

fn is_of(referrer: &Descriptor, artifact_type: Option<&str>) -> bool {
    artifact_type.is_none_or(|it| referrer.artifact_type.as_deref() == Some(it))
}

/// A page that is being filled.
#[derive(Default)]
struct Filled {
    page: ReferrersPage,
    bytes: usize,
}

impl Filled {
    /// Whether there was room for one more.
    fn takes(&mut self, referrer: Descriptor, page: &Page<Digest>) -> bool {
        let items = &mut self.page.items;
        self.bytes += serde_json::to_vec(&referrer).map_or(0, |json| json.len());
        // One always fits, or the list would never come to an end.
        let too_large = self.bytes > MAX_BYTES && !items.is_empty();
        if too_large || page.limit.is_some_and(|limit| items.len() >= limit) {
            return false;
        }
        items.push(referrer);
        true
    }

    fn and_more(mut self) -> ReferrersPage {
        self.page.next = self.page.items.last().map(|last| last.digest.clone());
        self.page
    }
}

#[cfg(test)]
mod tests;
