//! Tags: changes that depend on whether the tag is there, judged under its lock.

use super::{Access, log_refusal};
use crate::domain::error::RegistryError;
use crate::domain::model::{AccessRequest, Action, Caller, Digest, Reference, RepositoryName, Tag};

/// What somebody wants to do to a tag.
#[derive(Clone, Copy)]
pub(in crate::domain) struct TagChange<'c> {
    /// Who.
    pub caller: &'c Caller,
    /// Where.
    pub repository: &'c RepositoryName,
    /// Which.
    pub tag: &'c Tag,
    /// What it is to point at; `None` to delete it.
    pub to: Option<&'c Digest>,
}

impl<'c> TagChange<'c> {
    /// The tag is to go.
    pub fn deletion(caller: &'c Caller, repository: &'c RepositoryName, tag: &'c Tag) -> Self {
        Self {
            caller,
            repository,
            tag,
            to: None,
        }
    }
}

impl Access {
    /// Whether the change depends on where the tag stands. Nobody has to look
    /// for the others.
    pub(in crate::domain) fn depends_on_tag(&self, change: &TagChange<'_>) -> bool {
        self.namespace(change.repository).is_some_and(|namespace| {
            namespace.access_policy.asks_for_tags()
                || namespace.immutable_tags.pattern_of(change.tag).is_some()
        })
    }

    /// Lets the change pass where the tag stands so, or says why not and logs
    /// it. What [`Access::authorise`] let pass before anybody knew, is judged
    /// here for good, if the tag's lock is held.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Denied`], [`RegistryError::TagImmutable`].
    pub(in crate::domain) fn authorise_change(
        &self,
        change: &TagChange<'_>,
        standing: Option<&Digest>,
    ) -> Result<(), RegistryError> {
        let Some(namespace) = self.namespace(change.repository) else {
            return Ok(());
        };
        let action = match change.to {
            Some(_) => Action::PutManifest,
            None => Action::DeleteManifest,
        };
        let request = AccessRequest {
            reference: Some(Reference::Tag(change.tag.clone())),
            tag_exists: Some(standing.is_some()),
            ..AccessRequest::on(change.repository, action)
        };
        // Nobody but the mirror itself points tags in a mirror.
        let is_own = namespace.mirrors.is_some() && change.to.is_some();
        if namespace.access_policy.asks_for_tags() && !is_own {
            self.authorise(change.caller, &request)?;
        }
        match namespace.immutable_tags.pattern_of(change.tag) {
            Some(pattern) if standing.is_some() && standing != change.to => {
                log_refusal(change.caller, &request, "the tag is immutable");
                Err(RegistryError::TagImmutable {
                    tag: change.tag.clone(),
                    pattern: pattern.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
