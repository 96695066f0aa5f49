//! Referrers: what points at a manifest.

use crate::domain::error::RegistryError;
use crate::domain::model::{Descriptor, Digest, Page, RepositoryName};
use crate::ports::StoragePorts;

/// Listings of referrers.
pub struct Referrers {}

/// One page of referrers.
pub struct ReferrersPage {
    /// The descriptors, ordered by digest.
    pub items: Vec<Descriptor>,
    /// Where the next page starts (`last=`), if there is one.
    pub next: Option<Digest>,
}

impl Referrers {
    pub(super) fn new(_storage: &StoragePorts) -> Self {
        Self {}
    }
    /// end-12: a page of what points at `subject`, filtered by artifact type. Never unknown.
    pub async fn list(
        &self,
        _repository: &RepositoryName,
        _subject: &Digest,
        _artifact_type: Option<&str>,
        _page: &Page<Digest>,
    ) -> Result<ReferrersPage, RegistryError> {
        unimplemented!()
    }
}
