//! Referrers: one record each, below their subject.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::records::{self, VERSION};
use super::{Store, layout};
use crate::domain::model::{Descriptor, Digest, Page, RepositoryName};
use crate::ports::{ReferrerIndex, StoreError};

#[derive(Serialize, Deserialize)]
struct Referrer {
    version: u32,
    descriptor: Descriptor,
}

#[async_trait]
impl ReferrerIndex for Store {
    async fn add(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: &Descriptor,
    ) -> Result<(), StoreError> {
        let path = layout::referrer(repository, subject, &referrer.digest);
        let standing = self.tree.read(&path).await?;
        // Pushed again, it stays as it is, with whatever a newer version of
        // this program wrote into it.
        if let Some(bytes) = &standing
            && let Ok(standing) = records::decode::<Referrer>(bytes)
            && standing.descriptor == *referrer
        {
            return Ok(());
        }
        let record = Referrer {
            version: VERSION,
            descriptor: referrer.clone(),
        };
        let record = records::encode(&path, &record)?;
        match standing {
            // What was acknowledged is not replaced by what a power cut can tear.
            Some(_) => self.tree.write_synced(&path, record).await,
            None => self.tree.write(&path, record).await,
        }
    }

    async fn remove(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: &Digest,
    ) -> Result<(), StoreError> {
        self.tree
            .remove(&layout::referrer(repository, subject, referrer))
            .await
    }

    async fn get(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        referrer: &Digest,
    ) -> Result<Option<Descriptor>, StoreError> {
        let path = layout::referrer(repository, subject, referrer);
        let bytes = self.tree.read(&path).await?;
        // A torn record belongs to a push that nobody was answered for: what
        // replaces another one is synced first.
        let record = bytes.and_then(|bytes| records::decode::<Referrer>(&bytes).ok());
        Ok(record.map(|record| record.descriptor))
    }

    async fn list(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Digest>, StoreError> {
        let dir = layout::referrers(repository, subject);
        let names = self.tree.children(&dir, "", &Page::all()).await?.items;
        let digests = names
            .iter()
            .filter_map(|it| it.replacen('-', ":", 1).parse().ok());
        let mut digests: Vec<Digest> = digests.collect();
        digests.sort_unstable();
        Ok(digests)
    }
}

#[cfg(test)]
mod tests;
