//! Pull times: an empty object for each manifest, whose time is the pull's.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{Store, layout};
use crate::domain::model::{Algorithm, Digest, RepositoryName, Timestamp};
use crate::ports::{PullTimes, StoreError};

#[async_trait]
impl PullTimes for Store {
    async fn note(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError> {
        let link = layout::revision_link(repository, digest);
        if self.tree.stat(&link).await?.is_none() {
            return Ok(());
        }
        self.tree.stamp(&layout::pull(repository, digest)).await
    }

    async fn list(
        &self,
        repository: &RepositoryName,
    ) -> Result<HashMap<Digest, Timestamp>, StoreError> {
        let mut pulls = HashMap::new();
        for algorithm in Algorithm::ALL {
            let dir = layout::revisions(repository, algorithm);
            let reads = self.tree.read_times(&dir, layout::LINK).await?;
            pulls.extend(parse_all(reads, |hex| format!("{algorithm}:{hex}")));
        }
        let notes = self.tree.times(&layout::pulls(repository)).await?;
        pulls.extend(parse_all(notes, |name| name.replacen('-', ":", 1)));
        Ok(pulls)
    }
}

/// What has another name is not ours.
fn parse_all(
    times: Vec<(String, Timestamp)>,
    digest: impl Fn(&str) -> String,
) -> impl Iterator<Item = (Digest, Timestamp)> {
    let times = times.into_iter();
    times.filter_map(move |(name, time)| Some((digest(&name).parse().ok()?, time)))
}

#[cfg(test)]
mod tests;
