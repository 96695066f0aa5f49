//! Repositories, and what was deleted in them.

use async_trait::async_trait;
use serde::Serialize;

use super::records::{self, Moment, VERSION};
use super::{Store, layout};
use crate::domain::model::{Digest, Listing, MediaType, Page, RepositoryName, Tag, Timestamp};
use crate::ports::{Deletion, DeletionRecords, Everything, RepositoryIndex, StoreError};

#[async_trait]
impl RepositoryIndex for Store {
    async fn exists(&self, repository: &RepositoryName) -> Result<bool, StoreError> {
        self.tree.has_any(&layout::manifests(repository)).await
    }

    async fn list(&self, page: &Page<String>) -> Result<Listing<RepositoryName>, StoreError> {
        let markers = &[layout::MANIFESTS];
        let all = self.tree.walk(layout::REPOSITORIES, markers).await?;
        // A directory whose name is no repository's cannot be pulled from.
        let valid = |name: &String| name.parse::<RepositoryName>().is_ok();
        let listing = Listing::cut(all.into_iter().filter(valid), page);
        Ok(Listing {
            items: listing
                .items
                .iter()
                .filter_map(|n| n.parse().ok())
                .collect(),
            more: listing.more,
        })
    }

    async fn everything(&self) -> Result<Everything, StoreError> {
        let mut everything = Everything::default();
        for path in self.tree.walk(layout::REPOSITORIES, layout::CLAIMS).await? {
            match path.parse() {
                Ok(repository) => everything.repositories.push(repository),
                Err(_) => everything.strange.push(path),
            }
        }
        Ok(everything)
    }
}

/// `_deleted/…`: what the collector, `why` and `undelete` read.
#[derive(Serialize)]
struct Record<'a> {
    version: u32,
    digest: &'a Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a MediaType>,
    tags: Vec<&'a str>,
    manifest: bool,
    references: &'a [Digest],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Digest>,
    deleted_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_by: Option<&'a str>,
}

#[async_trait]
impl DeletionRecords for Store {
    async fn add(
        &self,
        repository: &RepositoryName,
        deletion: &Deletion,
    ) -> Result<(), StoreError> {
        let record = Record {
            version: VERSION,
            digest: &deletion.digest,
            media_type: deletion.media_type.as_ref(),
            tags: deletion.tags.iter().map(Tag::as_str).collect(),
            manifest: deletion.manifest,
            references: &deletion.references,
            subject: deletion.subject.as_ref(),
            deleted_at: Moment(deletion.at),
            deleted_by: deletion.by.as_deref(),
        };
        // Ordered by time; two deletions of one digest within a millisecond
        // are told apart by the random end.
        let path = format!(
            "{}/{:013}-{}-{}-{}",
            layout::deletions(repository),
            deletion.at.as_millis(),
            deletion.digest.algorithm(),
            deletion.digest.hex(),
            &uuid::Uuid::new_v4().simple().to_string()[..8],
        );
        self.tree
            .write(&path, records::encode(&path, &record)?)
            .await
    }

    async fn prune(
        &self,
        repository: &RepositoryName,
        before: Timestamp,
    ) -> Result<usize, StoreError> {
        let dir = layout::deletions(repository);
        let mut pruned = 0;
        for name in self.tree.children(&dir, "", &Page::all()).await?.items {
            let at = name.split('-').next().and_then(|at| at.parse().ok());
            // What has another name is not ours.
            if at.is_some_and(|at| Timestamp::from_millis(at) < before) {
                self.tree.remove(&format!("{dir}/{name}")).await?;
                pruned += 1;
            }
        }
        Ok(pruned)
    }
}
