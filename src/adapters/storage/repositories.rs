//! Repositories, and what was deleted in them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::records::{self, Moment, VERSION};
use super::{Store, layout};
use crate::domain::model::{Digest, Listing, MediaType, Page, RepositoryName, Timestamp};
use crate::ports::{
    Deletion, DeletionRecord, DeletionRecords, Everything, RepositoryIndex, StoreError,
};

#[async_trait]
impl RepositoryIndex for Store {
    async fn exists(&self, repository: &RepositoryName) -> Result<bool, StoreError> {
        self.tree.has_any(&layout::manifests(repository)).await
    }

    async fn list(&self, page: &Page<String>) -> Result<Listing<RepositoryName>, StoreError> {
        // A directory whose name is no repository's cannot be pulled from.
        let valid = |name: &str| name.parse::<RepositoryName>().is_ok();
        let listing = self
            .tree
            .marked(layout::REPOSITORIES, &[layout::MANIFESTS], valid, page);
        let listing = listing.await?;
        Ok(Listing {
            items: listing
                .items
                .iter()
                .filter_map(|it| it.parse().ok())
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
#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<MediaType>,
    tags: Vec<String>,
    manifest: bool,
    references: Vec<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Digest>,
    deleted_at: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_by: Option<String>,
}

impl From<Record> for Deletion {
    fn from(record: Record) -> Self {
        let tags = record.tags.iter();
        Self {
            digest: record.digest,
            media_type: record.media_type,
            tags: tags.filter_map(|tag| tag.parse().ok()).collect(),
            manifest: record.manifest,
            references: record.references,
            subject: record.subject,
            at: record.deleted_at.0,
            by: record.deleted_by,
        }
    }
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
            digest: deletion.digest.clone(),
            media_type: deletion.media_type.clone(),
            tags: deletion.tags.iter().map(ToString::to_string).collect(),
            manifest: deletion.manifest,
            references: deletion.references.clone(),
            subject: deletion.subject.clone(),
            deleted_at: Moment(deletion.at),
            deleted_by: deletion.by.clone(),
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

    async fn list(
        &self,
        repository: &RepositoryName,
        before: Timestamp,
    ) -> Result<Vec<DeletionRecord>, StoreError> {
        let dir = layout::deletions(repository);
        let mut records = Vec::new();
        for id in self.tree.children(&dir, "", &Page::all()).await?.items {
            // What has another name is not ours.
            let at = id.split('-').next().and_then(|at| at.parse().ok());
            if at.is_none_or(|at| Timestamp::from_millis(at) >= before) {
                continue;
            }
            if let Some(bytes) = self.tree.read(&format!("{dir}/{id}")).await? {
                let record = records::decode::<Record>(&bytes).ok();
                let deletion = record.map(Deletion::from);
                records.push(DeletionRecord { id, deletion });
            }
        }
        Ok(records)
    }

    async fn remove(&self, repository: &RepositoryName, id: &str) -> Result<(), StoreError> {
        let path = format!("{}/{id}", layout::deletions(repository));
        self.tree.remove(&path).await
    }
}
