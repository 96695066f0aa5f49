//! Credentials in a request: `Authorization: Basic` (RFC 7617).

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

/// There are credentials, and nobody understands them.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// What the request shows; `None` if it shows nothing.
pub fn basic(headers: &HeaderMap) -> Result<Option<Basic>, Malformed> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        return Err(Malformed);
    }
    parse(value.as_bytes()).map(Some).ok_or(Malformed)
}

fn parse(value: &[u8]) -> Option<Basic> {
    let (scheme, rest) = value.split_at_checked(b"basic".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic") || !rest.starts_with(b" ") {
        return None;
    }
    let decoded = BASE64.decode(rest.trim_ascii()).ok()?;
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
