//! The catalog: which repositories there are, for those who may see them.

use std::sync::Arc;

use crate::domain::error::RegistryError;
use crate::domain::model::{Listing, Page, RepositoryName};
use crate::ports::{RepositoryIndex, StoragePorts};

/// How many names are read at once after the first page: with small ones,
/// somebody who may see none of many repositories would make the store list
/// them as often.
const AT_ONCE: usize = 1000;

/// Listings of repositories.
pub struct Catalog {
    repositories: Arc<dyn RepositoryIndex>,
}

impl Catalog {
    pub(super) fn new(storage: &StoragePorts) -> Self {
        Self {
            repositories: Arc::clone(&storage.repositories),
        }
    }

    /// A page of the repositories that `may_see` lets pass, in byte order.
    /// `page.after` is any text, not necessarily a name.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unavailable`].
    pub async fn list(
        &self,
        page: &Page<String>,
        may_see: &(dyn Fn(&RepositoryName) -> bool + Sync),
    ) -> Result<Listing<RepositoryName>, RegistryError> {
        let mut listing = Listing::none();
        let mut rest = Page {
            after: page.after.clone(),
            // With one more than the page, whoever may see all needs no second.
            limit: page.limit.map(|limit| limit.saturating_add(1)),
        };
        loop {
            let next = self.repositories.list(&rest).await?;
            rest.after = next.items.last().map(ToString::to_string);
            rest.limit = rest.limit.map(|limit| limit.max(AT_ONCE));
            for repository in next.items.into_iter().filter(|name| may_see(name)) {
                if !listing.add(page.limit, repository) {
                    return Ok(listing);
                }
            }
            if !next.more || rest.after.is_none() {
                return Ok(listing);
            }
        }
    }
}

#[cfg(test)]
mod tests;
