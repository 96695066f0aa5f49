//! Login: how callers say who they are, and get tokens that say it for them.

use std::sync::Arc;

use crate::domain::access::Access;
use crate::domain::model::{Caller, Credentials, Identity, Scope};
use crate::ports::{
    AuthenticationError, Authenticator, Bearer, Claims, IssuedToken, StoreError, Tokens,
};

/// Who knows the identities, and the tokens that were given.
pub struct Login {
    authenticator: Arc<dyn Authenticator>,
    tokens: Arc<dyn Tokens>,
}

/// Whom a token stands for, and for what.
#[derive(Debug, PartialEq, Eq)]
pub struct Recognised {
    /// `None` for an anonymous caller.
    pub identity: Option<Arc<Identity>>,
    /// What the token may be used for.
    pub scope: Arc<Scope>,
}

impl Login {
    /// By these.
    #[must_use]
    pub fn new(authenticator: Arc<dyn Authenticator>, tokens: Arc<dyn Tokens>) -> Self {
        Self {
            authenticator,
            tokens,
        }
    }

    /// What tokens are for, as clients are told it.
    #[must_use]
    pub fn service(&self) -> &str {
        self.tokens.service()
    }

    /// The identity, as [`Authenticator::recall`] finds it.
    #[must_use]
    pub fn recall(&self, username: &str, password: &str) -> Option<Arc<Identity>> {
        self.authenticator.recall(username, password)
    }

    /// The identity whose credentials these are; `None` if they are nobody's.
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authenticate`].
    pub async fn by_password(
        &self,
        credentials: &Credentials,
    ) -> Result<Option<Arc<Identity>>, AuthenticationError> {
        self.authenticator.authenticate(credentials).await
    }

    /// Whom the token stands for; `None` where it is no token of ours, has
    /// ended, or was given to an identity that is not the same any more.
    ///
    /// # Errors
    ///
    /// Where nobody can tell: no key is known.
    pub async fn by_token(&self, token: &[u8]) -> Result<Option<Recognised>, StoreError> {
        let mut claims = self.tokens.read(token);
        if claims.is_none() {
            self.tokens.refresh().await?;
            claims = self.tokens.read(token);
        }
        Ok(claims.and_then(|claims| self.recognise(claims)))
    }

    fn recognise(&self, claims: Claims) -> Option<Recognised> {
        let identity = match claims.bearer {
            None => None,
            Some(bearer) => {
                let found = self.authenticator.find(&bearer.username);
                let found = found.filter(|found| found.stamp == bearer.stamp)?;
                Some(found.identity)
            }
        };
        Some(Recognised {
            identity,
            scope: claims.scope,
        })
    }

    /// Gives the caller a token for what it asks for, as far as policies may
    /// ever allow that. Whatever is granted, each request is judged again.
    ///
    /// # Errors
    ///
    /// As [`Tokens::issue`].
    pub async fn issue(
        &self,
        access: &Access,
        caller: &Caller,
        asked: &Scope,
    ) -> Result<IssuedToken, StoreError> {
        let identity = caller.identity.as_ref();
        let bearer = identity.and_then(|identity| self.authenticator.find(&identity.username));
        let claims = Claims {
            bearer: bearer.map(|found| Bearer {
                username: found.identity.username.as_str().into(),
                stamp: found.stamp,
            }),
            scope: Arc::new(access.grant(caller, asked)),
        };
        self.tokens.issue(&claims).await
    }
}

#[cfg(test)]
mod tests;
