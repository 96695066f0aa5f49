//! Callers: who asks, and who is asked to say so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use hyper::http::uri::Authority;

use super::client;
use super::connection::Connection;
use super::credentials::{self, Shown};
use super::current::Serving;
use super::error::{Cause, HttpError};
use super::holes::Holes;
use super::route::Route;
use crate::domain::error::RegistryError;
use crate::domain::model::{Caller, Credentials, Identity, Secret};
use crate::ports::AuthenticationError;

/// What the token service asks for.
const BASIC: &str = r#"Basic realm="Simple-Registry""#;

/// Whoever sent a request, as far as its head and its connection tell.
pub struct Visitor {
    /// What is served since the request was let in.
    pub serving: Arc<Serving>,
    /// The request's headers.
    pub headers: HeaderMap,
    /// What HTTP/2 has in the place of `Host`.
    pub authority: Option<Authority>,
    /// What it came on.
    pub connection: Arc<Connection>,
    /// What the response can be made of that the kernel fills by itself.
    pub holes: Option<Arc<Holes>>,
    /// What is asked for.
    pub route: Route,
    /// Who it turned out to be, for the log; empty for who is nobody. (A `OnceLock` takes some times the instructions, and
    /// each request with credentials writes this.)
    pub identity: Mutex<Option<Arc<Identity>>>,
}

impl Visitor {
    /// Who it turned out to be so far.
    pub fn identity(&self) -> MutexGuard<'_, Option<Arc<Identity>>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who asks, by what the request shows and its connection knows. Credentials
    /// that are wrong are refused, also where nobody would have asked for any.
    /// Where there are no identities, nobody looks at credentials.
    pub async fn identify(&self) -> Result<Caller, HttpError> {
        let route = &self.route;
        let mut caller = Caller {
            certificate: self.connection.certificate(),
            ..Caller::default()
        };
        let Some(login) = self.serving.registry.login() else {
            return Ok(caller);
        };
        let shown = match route {
            // It has its own.
            Route::TokenByForm => None,
            _ => credentials::shown(&self.headers)
                .map_err(|_| Cause::Unauthorized("the credentials are not understood"))?,
        };
        match (shown, route) {
            (None, _) => {}
            (Some(Shown::Basic(basic)), _) => {
                let known = login.recall(basic.username(), basic.password());
                caller.identity = Some(match known {
                    Some(identity) => identity,
                    None => self.log_in(basic.username(), basic.password()).await?,
                });
            }
            (Some(Shown::Bearer(_)), Route::Token(_)) => {
                return Err(Cause::Unauthorized("a token buys no other token").into());
            }
            (Some(Shown::Bearer(token)), _) => {
                let known = login.by_token(token).await.map_err(RegistryError::from)?;
                let known = known.ok_or(Cause::BadToken)?;
                caller.identity = known.identity;
                caller.scope = Some(known.scope);
            }
        }
        if let Some(identity) = &caller.identity {
            *self.identity() = Some(Arc::clone(identity));
        }
        self.greet(&caller)?;
        Ok(caller)
    }

    /// The identity whose credentials these are.
    pub async fn log_in(&self, username: &str, password: &str) -> Result<Arc<Identity>, HttpError> {
        let login = self.serving.registry.login().ok_or(Cause::NoSuchPath)?;
        let trusted = &self.serving.settings.trusted_proxies;
        let address = client::address(self.connection.peer(), &self.headers, trusted);
        let credentials = Credentials {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
            client: client::key(address),
        };
        match login.by_password(&credentials).await {
            Ok(Some(identity)) => {
                *self.identity() = Some(Arc::clone(&identity));
                Ok(identity)
            }
            Ok(None) => {
                tracing::info!(%address, "wrong credentials");
                Err(Cause::Unauthorized("the user name or the password is wrong").into())
            }
            Err(AuthenticationError::TooManyFailures { retry_after }) => {
                tracing::info!(%address, "too many wrong credentials");
                Err(Cause::LockedOut(retry_after).into())
            }
            Err(error @ AuthenticationError::Unavailable(_)) => {
                Err(RegistryError::Unavailable(error.into()).into())
            }
        }
    }

    /// Asks who shows nothing to log in, at the root of the API and for the
    /// catalog: Docker shows its credentials nowhere unless it was asked for
    /// them there, and a list for nobody would look like one for everybody. A
    /// registry that is open to everybody asks nobody.
    fn greet(&self, caller: &Caller) -> Result<(), HttpError> {
        let route = &self.route;
        let asks = matches!(route, Route::Version | Route::Catalog(_));
        match &caller.scope {
            Some(scope) if matches!(route, Route::Catalog(_)) && !scope.catalog => {
                Err(RegistryError::ScopeInsufficient.into())
            }
            None if asks
                && caller.identity.is_none()
                && !self.serving.registry.access().is_open() =>
            {
                Err(Cause::Unauthorized("log in to go on").into())
            }
            _ => Ok(()),
        }
    }

    /// Adds the challenge to what another token, or any, would have prevented:
    /// who was denied something and did not log in may be allowed to as somebody.
    pub fn challenge(&self, error: HttpError, anonymous: bool) -> HttpError {
        let route = &self.route;
        let Some(login) = self.serving.registry.login() else {
            return error;
        };
        let (error, problem) = match error.cause() {
            Cause::Unauthorized(_) => (error, None),
            Cause::BadToken => (error, Some("invalid_token")),
            Cause::Registry(RegistryError::ScopeInsufficient) => {
                (error, Some("insufficient_scope"))
            }
            Cause::Registry(RegistryError::Denied) if anonymous => {
                let why = "access is denied by policy to who is not logged in";
                let token = self.headers.contains_key(AUTHORIZATION);
                (
                    Cause::Unauthorized(why).into(),
                    token.then_some("insufficient_scope"),
                )
            }
            _ => return error,
        };
        if matches!(route, Route::Token(_) | Route::TokenByForm) {
            return error.with(WWW_AUTHENTICATE, BASIC);
        }
        let Some(origin) = self.origin() else {
            let message = "the request does not say which host it is for";
            return Cause::Malformed(message.to_owned()).into();
        };
        let service = login.service();
        let mut challenge = format!(r#"Bearer realm="{origin}/token",service="{service}""#);
        let scope = route.scope().to_string();
        for (name, value) in [("scope", Some(&*scope)), ("error", problem)] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                challenge.extend([",", name, "=\"", value, "\""]);
            }
        }
        error.with(WWW_AUTHENTICATE, challenge)
    }

    /// The URL that this registry has for the client, without a slash at its
    /// end; `None` where nobody says it.
    fn origin(&self) -> Option<String> {
        if let Some(url) = &self.serving.settings.external_url {
            return Some(url.as_str().to_owned());
        }
        let host = || self.headers.get(HOST)?.to_str().ok();
        let authority = self.authority.as_ref().map(Authority::as_str);
        let direct = client::Origin {
            encrypted: self.connection.is_encrypted(),
            host: authority.or_else(host),
        };
        let trusted = &self.serving.settings.trusted_proxies;
        client::origin(self.connection.peer(), &self.headers, trusted, direct)
    }
}
