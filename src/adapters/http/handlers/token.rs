//! The token service, as Docker and those after it ask it: `/token`.
//!
//! There are no refresh tokens. A client that hoped for one keeps its password, and shows it when a token has ended.

use hyper::header::CACHE_CONTROL;
use serde_json::json;

use super::{Answer, Exchange};
use crate::adapters::http::error::{Cause, HttpError};
use crate::adapters::http::query::Query;
use crate::adapters::http::reply::Reply;
use crate::domain::error::RegistryError;
use crate::domain::model::{Caller, Scope};
use crate::domain::registry::Registry;

/// The longest form.
const MAX_FORM: u64 = 16 * 1024;

/// `GET /token`: for whom Basic credentials name, or for an anonymous caller.
pub async fn get(exchange: Exchange, asked: &Scope) -> Answer {
    issue(&exchange.registry, &exchange.caller, asked).await
}

/// `POST /token`: for whom the form names.
pub async fn post(exchange: Exchange) -> Answer {
    let Exchange {
        registry,
        visitor,
        body,
        mut caller,
    } = exchange;
    // Where there are no identities, there is nothing here.
    registry.login().ok_or(Cause::NoSuchPath)?;
    let form = body.collect(MAX_FORM).await;
    let form = form.map_err(|error| match error {
        RegistryError::ManifestTooLarge { .. } => HttpError::from(Cause::FormTooLarge(MAX_FORM)),
        error => error.into(),
    })?;
    let form = Query::form(&String::from_utf8_lossy(&form))?;
    let fields = ["grant_type", "username", "password"].map(|name| form.first(name));
    let [Some("password"), Some(username), Some(password)] = fields else {
        let message = "a token is given for grant_type=password with username and password";
        return Err(Cause::Malformed(message.to_owned()).into());
    };
    caller.identity = Some(visitor.log_in(username, password).await?);
    issue(&registry, &caller, &Scope::parse(form.all("scope"))).await
}

async fn issue(registry: &Registry, caller: &Caller, asked: &Scope) -> Answer {
    let login = registry.login().ok_or(Cause::NoSuchPath)?;
    let issued = login.issue(registry.access(), caller, asked).await;
    let issued = issued.map_err(RegistryError::from)?;
    let token = issued.token.expose();
    let at = jiff::Timestamp::from_second(issued.at.as_millis() / 1000).unwrap_or_default();
    let answer = json!({
        "token": token,
        "access_token": token,
        "expires_in": issued.lifetime.as_secs(),
        "issued_at": at.to_string(),
    });
    let reply = Reply::ok().fixed(CACHE_CONTROL, "no-store");
    Ok(reply.json(&answer).done())
}
