//! Ranges, in both dialects: `Range` of RFC 9110 on pulls, and the
//! `Content-Range` of the distribution spec on pushes.

use std::ops::Range;

use hyper::HeaderMap;
use hyper::header::{CONTENT_RANGE, RANGE};

use super::error::HttpError;
use crate::domain::error::RegistryError;
use crate::domain::uploads::ChunkRange;

/// The most ranges that one request may ask for; with more it gets everything.
const MAX_RANGES: usize = 32;

/// What a pull wants of the content.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// These parts of it: at least one, none empty, all within the content.
    Parts(Vec<Range<u64>>),
    /// Nothing that the content has.
    Nothing,
}

/// Reads `Range` against content of `size` bytes (RFC 9110, section 14).
///
/// Not understood means not asked for: another unit or broken syntax gets the
/// whole content. So do too many ranges, and ranges that overlap so much that
/// the whole content is less than what they add up to.
pub fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let Some(header) = headers.get(RANGE).and_then(|range| range.to_str().ok()) else {
        return Wanted::Whole;
    };
    // Some clients put a range on every request; an empty blob has no part to
    // give, and is best given whole.
    if size == 0 {
        return Wanted::Whole;
    }
    let Some(specs) = specs(header) else {
        return Wanted::Whole;
    };
    let parts: Vec<Range<u64>> = specs.iter().filter_map(|spec| spec.within(size)).collect();
    let total = parts
        .iter()
        .fold(0_u64, |sum, part| sum.saturating_add(part.end - part.start));
    if parts.is_empty() {
        Wanted::Nothing
    } else if total > size {
        Wanted::Whole
    } else {
        Wanted::Parts(parts)
    }
}

/// How an answer says which part of how much it carries.
pub fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))
}

/// One range as written.
enum Spec {
    /// `a-b` or `a-`
    From(u64, Option<u64>),
    /// `-n`
    Last(u64),
}

impl Spec {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.trim().split_once('-')?;
        match (first, last) {
            ("", length) => Some(Self::Last(number(length)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => Some(Self::From(number(first)?, Some(number(last)?))),
        }
    }

    /// The part of the content that it means, if there is one.
    fn within(&self, size: u64) -> Option<Range<u64>> {
        let part = match *self {
            Self::From(first, None) => first..size,
            Self::From(first, Some(last)) => first..last.saturating_add(1).min(size),
            Self::Last(length) => size.saturating_sub(length)..size,
        };
        (part.start < part.end).then_some(part)
    }
}

fn specs(header: &str) -> Option<Vec<Spec>> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.split(',').count() > MAX_RANGES {
        return None;
    }
    set.split(',').map(Spec::parse).collect()
}

/// A number of any length: what does not fit is beyond every content anyway.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Reads where a chunk says it lies: `<first>-<last>` (spec, "Pushing a blob
/// in chunks"), which is not how RFC 9110 writes it.
pub fn chunk(headers: &HeaderMap) -> Result<Option<ChunkRange>, HttpError> {
    let Some(header) = headers.get(CONTENT_RANGE) else {
        return Ok(None);
    };
    let range = header.to_str().ok().and_then(parse_chunk);
    match range {
        Some(range) => Ok(Some(range)),
        None => Err(RegistryError::SizeInvalid(
            "Content-Range must be written <first byte>-<last byte>, for example 0-1023".to_owned(),
        )
        .into()),
    }
}

fn parse_chunk(text: &str) -> Option<ChunkRange> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (first, last) = text.trim().split_once('-')?;
    if !digits(first) || !digits(last) {
        return None;
    }
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(ChunkRange { first, last })
}

#[cfg(test)]
mod tests;
