//! Credentials in a request: `Authorization: Basic` (RFC 7617) and `Bearer` (RFC 6750).

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::domain::model::Secret;

/// Base64, with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A user name and a password.
#[derive(Debug, PartialEq, Eq)]
pub struct Basic {
    pub username: String,
    pub password: Secret,
}

/// What a request shows.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Shown<'h> {
    /// A user name and a password.
    Basic(Basic),
    /// A token. It is a secret.
    Bearer(&'h str),
}

/// There are credentials, and nobody understands them.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// What the request shows; `None` if it shows nothing.
pub fn shown(headers: &HeaderMap) -> Result<Option<Shown<'_>>, Malformed> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        return Err(Malformed);
    }
    let text = value.to_str().map_err(|_| Malformed)?;
    let (scheme, rest) = text.split_once(' ').ok_or(Malformed)?;
    let shown = if scheme.eq_ignore_ascii_case("bearer") {
        Some(Shown::Bearer(rest.trim()))
    } else if scheme.eq_ignore_ascii_case("basic") {
        basic(rest.trim()).map(Shown::Basic)
    } else {
        None
    };
    shown.map(Some).ok_or(Malformed)
}

fn basic(encoded: &str) -> Option<Basic> {
    let decoded = BASE64.decode(encoded).ok()?;
    let mut username = String::from_utf8(decoded).ok()?;
    let password = username.split_off(username.find(':')? + 1);
    username.pop();
    Some(Basic {
        username,
        password: Secret::new(password),
    })
}

#[cfg(test)]
mod tests;
