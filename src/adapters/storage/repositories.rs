//! Repositories, and what was deleted in them.

use async_trait::async_trait;
use serde::Serialize;

use super::records::{self, Moment, VERSION};
use super::{Store, layout};
use crate::domain::model::{Digest, Listing, MediaType, Page, RepositoryName, Tag};
use crate::ports::{Deletion, DeletionRecords, RepositoryIndex, StoreError};

#[async_trait]
impl RepositoryIndex for Store {
    async fn exists(&self, repository: &RepositoryName) -> Result<bool, StoreError> {
        self.tree.has_any(&layout::manifests(repository)).await
    }

    async fn list(&self, page: &Page<String>) -> Result<Listing<RepositoryName>, StoreError> {
        let all = self
            .tree
            .walk(layout::REPOSITORIES, layout::MANIFESTS)
            .await?;
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
}
