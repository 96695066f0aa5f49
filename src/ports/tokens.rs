//! `Tokens`: what a client shows instead of a password.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::model::{Scope, Secret, Timestamp};
use crate::ports::StoreError;

/// Gives tokens, and knows those that it gave.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Tokens: Send + Sync {
    /// What the tokens are for, as clients are told it.
    fn service(&self) -> &str;

    /// Gives a token that is good for a while.
    async fn issue(&self, claims: &Claims) -> Result<IssuedToken, StoreError>;

    /// What a token says that was given here and has not ended; `None` of
    /// anything else.
    fn read(&self, token: &[u8]) -> Option<Claims>;

    /// Looks whether another server signs with a key that is not known here.
    /// To ask often costs nothing. An error where no key is known at all.
    async fn refresh(&self) -> Result<(), StoreError>;
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is; `None` for an anonymous caller.
    pub bearer: Option<Bearer>,
    /// What it may be used for.
    pub scope: Arc<Scope>,
}

/// Whom a token was given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// As the client calls itself.
    pub username: Arc<str>,
    /// The stamp of the identity, as it was then.
    pub stamp: u64,
}

/// A token that was just given.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// What the client is to show.
    pub token: Secret,
    /// When it was given, by the registry's clock.
    pub at: Timestamp,
    /// How long it is good for.
    pub lifetime: Duration,
}
