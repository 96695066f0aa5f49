//! Access: may this request be done?

use std::sync::Arc;

use crate::domain::error::RegistryError;
use crate::domain::model::AccessRequest;
use crate::domain::namespaces::Namespaces;

/// The access policies of all namespaces.
pub struct Access {
    namespaces: Arc<Namespaces>,
}

impl Access {
    pub(super) fn new(namespaces: Arc<Namespaces>) -> Self {
        Self { namespaces }
    }

    /// Lets the request pass, or says why not. A name that no entry matches is
    /// denied; what belongs to no repository is judged by the entry for every
    /// name, and allowed where there is none (semantics.md, "Access policy").
    ///
    /// # Errors
    ///
    /// [`RegistryError::Denied`].
    pub fn authorise(&self, request: &AccessRequest) -> Result<(), RegistryError> {
        let allowed = match &request.repository {
            Some(repository) => self
                .namespaces
                .find(repository)
                .is_some_and(|namespace| namespace.default_allow),
            None => self
                .namespaces
                .everything()
                .is_none_or(|namespace| namespace.default_allow),
        };
        if allowed {
            Ok(())
        } else {
            Err(RegistryError::Denied)
        }
    }

    /// Whether [`Access::authorise`] lets the request pass.
    #[must_use]
    pub fn allows(&self, request: &AccessRequest) -> bool {
        self.authorise(request).is_ok()
    }
}

#[cfg(test)]
mod tests;
