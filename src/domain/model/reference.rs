//! References: how a manifest is asked for.

use std::fmt;
use std::str::FromStr;

use super::{Digest, InvalidDigest};

/// A movable name for a manifest: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

/// Why a text is neither a tag nor a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Not a tag.
    #[error(
        "a tag starts with a letter, a digit or '_', and goes on with at most 127 of those, '.' or '-'"
    )]
    Tag,
    /// It has a colon, so it was meant as a digest, and is not one.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

impl Tag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag under which a client without the referrers API lists the
    /// referrers of `subject` (spec, "Referrers Tag Schema").
    #[must_use]
    pub fn fallback_for(subject: &Digest) -> Self {
        let hex = &subject.hex()[..subject.hex().len().min(64)];
        Self(format!("{}-{hex}", subject.algorithm()).into())
    }
}

impl FromStr for Tag {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (first, rest) = text.as_bytes().split_first().ok_or(InvalidReference::Tag)?;
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let inner = |b: &u8| word(b) || matches!(b, b'.' | b'-');
        if !word(first) || rest.len() > 127 || !rest.iter().all(inner) {
            return Err(InvalidReference::Tag);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag or a digest in a manifests URL. A colon makes it a digest: no tag has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// By name.
    Tag(Tag),
    /// By content.
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.contains(':') {
            Ok(Self::Digest(text.parse()?))
        } else {
            Ok(Self::Tag(text.parse()?))
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
