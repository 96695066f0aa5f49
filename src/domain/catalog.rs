//! The catalog: which repositories there are, for those who may see them.

use std::sync::Arc;

use crate::domain::error::RegistryError;
use crate::domain::model::{Listing, Page, RepositoryName};
use crate::ports::{RepositoryIndex, StoragePorts};

/// How many names are read at once at least: with small pages, somebody who
/// may see none of many repositories would make the store list them as often.
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
        let mut items = Vec::new();
        let mut rest = Page {
            after: page.after.clone(),
            limit: page.limit.map(|limit| limit.max(AT_ONCE)),
        };
        loop {
            let listing = self.repositories.list(&rest).await?;
            rest.after = listing.items.last().map(ToString::to_string);
            for repository in listing.items.into_iter().filter(|name| may_see(name)) {
                if page.limit.is_some_and(|limit| items.len() >= limit) {
                    return Ok(Listing { items, more: true });
                }
                items.push(repository);
            }
            if !listing.more || rest.after.is_none() {
                return Ok(Listing { items, more: false });
            }
        }
    }
}

#[cfg(test)]
mod tests;
