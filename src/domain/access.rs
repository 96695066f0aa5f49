//! Access: may this request be done?

use std::sync::Arc;

use crate::domain::error::RegistryError;
use crate::domain::model::{AccessRequest, Action, Caller, RepositoryName, Rights, Scope};
use crate::domain::namespaces::{Namespace, Namespaces};

mod policy;
mod tags;

pub use policy::{AccessPolicy, Ground, Verdict};
pub(super) use tags::TagChange;

/// The access policies of all namespaces.
pub struct Access {
    namespaces: Arc<Namespaces>,
}

impl Access {
    /// The policies of these entries.
    #[must_use]
    pub fn new(namespaces: Arc<Namespaces>) -> Self {
        Self { namespaces }
    }

    /// Lets the request pass, or says why not and logs it. What a token is for
    /// never adds to what the policies say now.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Denied`]; [`RegistryError::ScopeInsufficient`] where
    /// another token would do.
    pub fn authorise(&self, caller: &Caller, request: &AccessRequest) -> Result<(), RegistryError> {
        let verdict = self.judge(caller, request);
        if !verdict.allowed {
            log_refusal(caller, request, &verdict.ground.to_string());
            return Err(RegistryError::Denied);
        }
        if caller.covers(request) {
            Ok(())
        } else {
            Err(RegistryError::ScopeInsufficient)
        }
    }

    /// Whether [`Access::authorise`] lets the request pass.
    #[must_use]
    pub fn allows(&self, caller: &Caller, request: &AccessRequest) -> bool {
        caller.covers(request) && self.judge(caller, request).allowed
    }

    /// What of `asked` a token is given for: rights of which the policies may
    /// allow the caller something.
    #[must_use]
    pub fn grant(&self, caller: &Caller, asked: &Scope) -> Scope {
        let mut granted = Scope::default();
        granted.catalog = asked.catalog;
        for (repository, rights) in asked.repositories() {
            let Some(namespace) = self.namespace(repository) else {
                continue;
            };
            let may = |action| {
                let request = AccessRequest::on(repository, action);
                namespace.access_policy.may_allow(caller, &request)
            };
            for right in Rights::EACH.into_iter().filter(|it| rights.contain(*it)) {
                let mut actions = Action::ALL.into_iter();
                if actions.any(|action| action.right() == Some(right) && may(action)) {
                    granted.add(repository, right);
                }
            }
        }
        granted
    }

    /// What the policies say of the request. A name that no entry matches is
    /// denied; what belongs to no repository is judged by the entry for every
    /// name, and allowed where there is none (semantics.md, "Access policy").
    #[must_use]
    pub fn judge(&self, caller: &Caller, request: &AccessRequest) -> Verdict {
        let namespace = match &request.repository {
            Some(repository) => self.namespace(repository),
            None => self.namespaces.everything(),
        };
        match namespace {
            Some(namespace) => namespace.access_policy.judge(caller, request),
            None => Verdict {
                allowed: request.repository.is_none(),
                ground: Ground::NoEntry,
            },
        }
    }

    /// The entries.
    #[must_use]
    pub fn namespaces(&self) -> &Arc<Namespaces> {
        &self.namespaces
    }

    /// Whether every entry allows everything to everybody.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let is_open = |policy: &AccessPolicy| policy.default_allow && policy.rules.is_empty();
        let mut entries = self.namespaces.all();
        entries.all(|namespace| is_open(&namespace.access_policy))
    }

    /// The entry that the repository belongs to, if any.
    pub(super) fn namespace(&self, repository: &RepositoryName) -> Option<&Namespace> {
        self.namespaces.find(repository)
    }
}

fn log_refusal(caller: &Caller, request: &AccessRequest, reason: &str) {
    tracing::info!(
        identity = caller.id(),
        action = request.action.as_str(),
        repository = request.repository.as_ref().map(RepositoryName::as_str),
        reference = request.reference.as_ref().map(tracing::field::display),
        "denied: {reason}"
    );
}

#[cfg(test)]
mod tests;
