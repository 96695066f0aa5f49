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

/// What a request shows.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Shown<'h> {
    /// A user name and a password.
    Basic(Basic),
    /// A token. It is a secret.
    Bearer(&'h [u8]),
}

/// A user name and a password, as they came: with a colon between them.
#[derive(Debug, PartialEq, Eq)]
pub struct Basic {
    text: Secret,
    colon: usize,
}

impl Basic {
    pub fn username(&self) -> &str {
        &self.text.expose()[..self.colon]
    }

    pub fn password(&self) -> &str {
        &self.text.expose()[self.colon + 1..]
    }
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
    let value = value.as_bytes();
    let shown = if let Some(token) = of_scheme(value, b"Bearer") {
        Some(Shown::Bearer(token))
    } else {
        of_scheme(value, b"Basic").and_then(basic).map(Shown::Basic)
    };
    shown.map(Some).ok_or(Malformed)
}

/// The credentials, if they are of this scheme, which is written in any case.
fn of_scheme<'h>(value: &'h [u8], scheme: &[u8]) -> Option<&'h [u8]> {
    let (named, rest) = value.split_at_checked(scheme.len())?;
    // Nearly everybody writes it as it is written here, and that costs less to see.
    let is_this = named == scheme || named.eq_ignore_ascii_case(scheme);
    (is_this && rest.starts_with(b" ")).then(|| rest.trim_ascii())
}

fn basic(encoded: &[u8]) -> Option<Basic> {
    let decoded = BASE64.decode(encoded).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let text = Secret::new(String::from_utf8(decoded).ok()?);
    Some(Basic { text, colon })
}

#[cfg(test)]
mod tests;
