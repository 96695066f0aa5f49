//! The catalog: which repositories there are.

use crate::domain::error::RegistryError;
use crate::domain::model::{Listing, Page, RepositoryName};
use crate::ports::StoragePorts;

/// Listings of repositories.
pub struct Catalog {}

impl Catalog {
    pub(super) fn new(_storage: &StoragePorts) -> Self {
        Self {}
    }
    /// A page of the repositories that `may_see` lets pass. `page.after` is any text: it need not be a name.
    pub async fn list(
        &self,
        _page: &Page<String>,
        _may_see: &(dyn Fn(&RepositoryName) -> bool + Sync),
    ) -> Result<Listing<RepositoryName>, RegistryError> {
        unimplemented!()
    }
}
