//! Tags: list them.

use crate::domain::error::RegistryError;
use crate::domain::model::{Listing, Page, RepositoryName, Tag};
use crate::ports::StoragePorts;

/// Listings of tags.
pub struct Tags {}

impl Tags {
    pub(super) fn new(_storage: &StoragePorts) -> Self {
        Self {}
    }
    /// end-8: a page of tags. A repository without manifests is unknown.
    pub async fn list(
        &self,
        _repository: &RepositoryName,
        _page: &Page<Tag>,
    ) -> Result<Listing<Tag>, RegistryError> {
        unimplemented!()
    }
}
