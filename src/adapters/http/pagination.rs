//! Pages of lists: `n`, `last`, and the `Link` to the next one.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::{Cause, HttpError};
use super::query::Query;

/// The most entries that one page may be asked for. A larger `n` means this
/// much: nothing is ever sized by what a client sends (CVE-2023-2253).
pub const MAX_PAGE: usize = 10_000;

/// What stays as it is in the query of a link (RFC 3986, "unreserved").
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How many entries the client wants at most, if it says so.
pub fn limit(query: &Query) -> Result<Option<usize>, HttpError> {
    let Some(n) = query.first("n") else {
        return Ok(None);
    };
    if n.is_empty() || !n.bytes().all(|b| b.is_ascii_digit()) {
        let message = "n must be a number of entries, 0 or more";
        return Err(Cause::Malformed(message.to_owned()).into());
    }
    // All digits: what does not fit is only too large.
    Ok(Some(n.parse().unwrap_or(MAX_PAGE).min(MAX_PAGE)))
}

/// After which entry the page starts, if the client says so.
pub fn last(query: &Query) -> Option<&str> {
    query.first("last").filter(|last| !last.is_empty())
}

/// The value of the `Link` header: a relative URL that asks for the next page.
pub fn next_page(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut link = format!("<{path}");
    for (at, (name, value)) in parameters.iter().enumerate() {
        let separator = if at == 0 { '?' } else { '&' };
        let value = utf8_percent_encode(value, ESCAPED);
        let _ = write!(link, "{separator}{name}={value}");
    }
    link.push_str(">; rel=\"next\"");
    link
}

#[cfg(test)]
mod tests;
