//! When manifests were pulled.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::domain::model::{Digest, RepositoryName, Timestamp};
use crate::ports::StoreError;

/// When manifests were last pulled, by the store's clock.
///
/// What is known of a manifest goes with it: `ManifestStore::remove` forgets it.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait PullTimes: Send + Sync {
    /// Notes that the manifest is pulled now. Of one that is gone, nothing.
    async fn note(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), StoreError>;

    /// When each manifest of the repository was last pulled, as far as that is
    /// known. It may tell of some that are gone.
    async fn list(
        &self,
        repository: &RepositoryName,
    ) -> Result<HashMap<Digest, Timestamp>, StoreError>;
}
