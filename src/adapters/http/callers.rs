//! Callers: who asks, and who is asked to say so.

use hyper::header::WWW_AUTHENTICATE;

use super::client;
use super::config::Network;
use super::connection::Connection;
use super::credentials::{self, Basic};
use super::error::{Cause, HttpError};
use super::handlers::Exchange;
use super::route::Route;
use crate::domain::error::RegistryError;
use crate::domain::model::{Caller, Credentials};
use crate::domain::registry::Registry;
use crate::ports::AuthenticationError;

/// What a client is asked for: the one scheme that is offered.
const CHALLENGE: &str = r#"Basic realm="Simple-Registry""#;

/// Who asks, by what the request shows and its connection knows. Credentials
/// that are wrong are refused, also where nobody would have asked for any.
/// Where there are no identities, nobody looks at credentials.
pub async fn identify(
    exchange: &Exchange,
    connection: &Connection,
    trusted_proxies: &[Network],
) -> Result<Caller, HttpError> {
    let anonymous = Caller {
        identity: None,
        certificate: connection.certificate(),
    };
    let Some(authenticator) = exchange.registry.authenticator() else {
        return Ok(anonymous);
    };
    let shown = credentials::basic(&exchange.headers);
    let shown = shown.map_err(|_| unauthorized("the credentials are not understood"))?;
    let Some(Basic { username, password }) = shown else {
        return Ok(anonymous);
    };
    let address = client::address(connection.peer(), &exchange.headers, trusted_proxies);
    let credentials = Credentials {
        username,
        password,
        client: client::key(address),
    };
    match authenticator.authenticate(&credentials).await {
        Ok(Some(identity)) => Ok(Caller {
            identity: Some(identity),
            ..anonymous
        }),
        Ok(None) => {
            tracing::info!(%address, "wrong credentials");
            Err(unauthorized("the user name or the password is wrong"))
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

/// Whether the caller has not said who it is, and could. (A certificate alone
/// says nothing of identities.)
pub fn may_log_in(registry: &Registry, caller: &Caller) -> bool {
    caller.identity.is_none() && registry.authenticator().is_some()
}

/// Asks who may log in to do so, at the root of the API: Docker shows its
/// credentials nowhere unless it was asked for them there. A registry that is
/// open to everybody asks nobody.
pub fn greet(route: &Route, registry: &Registry, may_log_in: bool) -> Result<(), HttpError> {
    if may_log_in && matches!(route, Route::Version) && !registry.access().is_open() {
        Err(unauthorized("log in to go on"))
    } else {
        Ok(())
    }
}

/// Asks who was denied something and may log in: as somebody, it may be allowed to.
pub fn ask_whom_it_denies(error: HttpError, may_log_in: bool) -> HttpError {
    if may_log_in && error.is_denial() {
        unauthorized("access is denied by policy to who is not logged in")
    } else {
        error
    }
}

/// 401, with the challenge.
fn unauthorized(why: &'static str) -> HttpError {
    HttpError::from(Cause::Unauthorized(why)).with(WWW_AUTHENTICATE, CHALLENGE)
}
