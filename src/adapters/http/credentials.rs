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
    Bearer(&'h str),
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
    let blank = value.iter().position(|byte| *byte == b' ');
    let (scheme, rest) = value.split_at(blank.ok_or(Malformed)?);
    let rest = rest.trim_ascii();
    let shown = if scheme.eq_ignore_ascii_case(b"bearer") {
        std::str::from_utf8(rest).ok().map(Shown::Bearer)
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        basic(rest).map(Shown::Basic)
    } else {
        None
    };
    shown.map(Some).ok_or(Malformed)
}

fn basic(encoded: &[u8]) -> Option<Basic> {
    let decoded = BASE64.decode(encoded).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let text = Secret::new(String::from_utf8(decoded).ok()?);
    Some(Basic { text, colon })
}

#[cfg(test)]
mod tests;
