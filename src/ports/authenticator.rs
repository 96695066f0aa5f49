//! `Authenticator`: whose credentials are these?

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::model::{Credentials, Identity};

/// Knows the configured identities. Whether a user name exists shows neither in
/// its answer nor in the work that it does for it.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The identity whose credentials these are; `None` if they are nobody's.
    ///
    /// # Errors
    ///
    /// [`AuthenticationError`], where nobody can tell, or nobody will for now.
    async fn authenticate(
        &self,
        credentials: &Credentials,
    ) -> Result<Option<Arc<Identity>>, AuthenticationError>;

    /// The identity, where this was found to be its password lately; `None`
    /// says nothing about it.
    fn recall(&self, username: &str, password: &str) -> Option<Arc<Identity>>;

    /// The identity of that user name; `None` where nobody has it.
    fn find(&self, username: &str) -> Option<FoundIdentity>;
}

/// An identity as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundIdentity {
    /// The identity.
    pub identity: Arc<Identity>,
    /// Another one once its id or its password is changed; the same on all
    /// servers with the same configuration.
    pub stamp: u64,
}

/// Why credentials were not looked at.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The client guessed wrong too often, under this user name.
    #[error("too many failed logins; try again later")]
    TooManyFailures {
        /// When it may try again.
        retry_after: Duration,
    },
    /// They could not be verified.
    #[error("credentials could not be verified")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
