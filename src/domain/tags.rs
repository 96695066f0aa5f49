//! Tags: list them.

use std::sync::Arc;

use crate::domain::error::RegistryError;
use crate::domain::model::{Listing, Page, RepositoryName, Tag};
use crate::ports::{RepositoryIndex, StoragePorts, TagIndex};

/// Listings of tags.
pub struct Tags {
    tags: Arc<dyn TagIndex>,
    repositories: Arc<dyn RepositoryIndex>,
}

impl Tags {
    pub(super) fn new(storage: &StoragePorts) -> Self {
        Self {
            tags: Arc::clone(&storage.tags),
            repositories: Arc::clone(&storage.repositories),
        }
    }

    /// A page of the repository's tags, in byte order (end-8).
    ///
    /// # Errors
    ///
    /// [`RegistryError::NameUnknown`] where there are no manifests either.
    pub async fn list(
        &self,
        repository: &RepositoryName,
        page: &Page<Tag>,
    ) -> Result<Listing<Tag>, RegistryError> {
        let tags = self.tags.list(repository, page).await?;
        if tags.items.is_empty() && !self.repositories.exists(repository).await? {
            return Err(RegistryError::NameUnknown);
        }
        Ok(tags)
    }
}
