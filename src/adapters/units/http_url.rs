//! `HttpUrl`: an http or https URL with a host, and without credentials, query or fragment.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error};

/// A checked URL, kept as it was written but for slashes at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Reads an `http://` or `https://` URL.
    ///
    /// # Errors
    /// Says what is wrong with the text; a text that may hold a password is not repeated.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        Self::parse_scheme(text, &["http", "https"])
    }

    /// Reads a URL of one of these schemes.
    ///
    /// # Errors
    /// As for [`HttpUrl::parse`].
    pub fn parse_scheme(text: &str, schemes: &'static [&'static str]) -> Result<Self, BadUrl> {
        // First of all, so that no other message repeats a password.
        if text.contains('@') {
            return Err(BadUrl::Credentials);
        }
        let bad = || BadUrl::Malformed {
            schemes,
            text: text.chars().take(80).collect(),
        };

        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let (authority, _path) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = rest
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '<' | '>' | '\\'));
        if !schemes.contains(&scheme) || !plain || !has_host(authority) {
            return Err(bad());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// The URL, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, and the port if one is named.
    #[must_use]
    pub fn authority(&self) -> &str {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }
}

/// The text is no URL that can be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// A user name or password in the URL would end up in logs.
    #[error("a URL has no `@` here: user name and password have keys of their own")]
    Credentials,
    /// Another scheme, no host, or characters that no URL has.
    #[error("expected a URL such as \"{}://host:port/path\", found {text:?}", schemes.join("\" or \""))]
    Malformed {
        /// What it may begin with.
        schemes: &'static [&'static str],
        /// What was written, or its beginning.
        text: String,
    },
}

/// `host`, `host:port` or `[address]:port`.
fn has_host(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
                (address, rest)
            }
            _ => return false,
        },
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    port && !host.is_empty() && !host.contains(['[', ']'])
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
