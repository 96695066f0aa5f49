//! Conditional requests (RFC 9110, section 13). The entity tag of content is
//! its digest in quotes.

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE};

use crate::domain::manifests::IfMatch;
use crate::domain::model::Digest;

/// The entity tag of the content that `digest` names.
pub fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Whether the client says that it has this content already. Weak comparison:
/// a tag that a proxy has weakened means the same bytes.
pub fn is_known(headers: &HeaderMap, digest: &Digest) -> bool {
    if !headers.contains_key(IF_NONE_MATCH) {
        return false;
    }
    let etag = etag(digest);
    entity_tags(headers, &IF_NONE_MATCH)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Whether `If-Range` names other content, so that `Range` does not count: the
/// client would glue parts of two things together.
pub fn is_range_stale(headers: &HeaderMap, digest: &Digest) -> bool {
    let named = headers.get(IF_RANGE);
    named.is_some_and(|tag| tag.as_bytes() != etag(digest).as_bytes())
}

/// What must stand for a push to count. Tags that are no digests of ours, and
/// weak ones, match nothing.
pub fn if_match(headers: &HeaderMap) -> Option<IfMatch> {
    if !headers.contains_key(IF_MATCH) {
        return None;
    }
    if entity_tags(headers, &IF_MATCH).any(|tag| tag == "*") {
        return Some(IfMatch::Any);
    }
    let digests = entity_tags(headers, &IF_MATCH)
        .filter_map(|tag| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    Some(IfMatch::Digests(digests.collect()))
}

fn entity_tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    // No digest has a comma in it, so what a comma cuts in two was none.
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests;
